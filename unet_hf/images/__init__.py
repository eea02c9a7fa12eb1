"""Any image file -> pixels with axes: PNG, JPEG, TIFF, zarr, arrays; whole or by windows."""
