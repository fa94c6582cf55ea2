"""one module per command: it joins the rooms above"""
