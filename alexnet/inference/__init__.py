"""A trained network in use: predictions, features, pictures, exports. Imports all folders but launch."""
