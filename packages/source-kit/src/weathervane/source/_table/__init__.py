"""What a vendor's rows become: datasets and their columns, pages to Arrow, what does not fit."""
