"""Where samples come from: stores of pictures, and the streams that draw from them."""
