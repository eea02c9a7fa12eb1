"""What watches over the uploads of a page, and takes what is dropped or pasted beside them."""
