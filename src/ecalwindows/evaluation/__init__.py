"""From scores to physics: superclusters made of the scores of clusters in windows."""
