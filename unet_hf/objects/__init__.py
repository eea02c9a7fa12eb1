"""The single objects of a mask: finding, measuring and outlining them."""
