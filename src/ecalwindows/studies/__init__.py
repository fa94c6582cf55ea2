"""truth studies: datasets and matched clusters in, tables out"""
