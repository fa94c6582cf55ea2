"""What tests share: makers of input, readers of output, servers."""
