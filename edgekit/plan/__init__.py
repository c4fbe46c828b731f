"""Graph × Target → what it will cost, before anything is built."""
