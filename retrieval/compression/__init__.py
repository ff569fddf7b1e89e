"""Make an encoder smaller and faster: in whole numbers, or as a table of tokens."""
