"""The demo's victim: a tweet classifier with a BadNets backdoor, made from packaged data alone."""
