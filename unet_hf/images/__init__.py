"""Reading images of any format, PNG, JPEG, TIFF, zarr, arrays, as a whole or by windows."""
