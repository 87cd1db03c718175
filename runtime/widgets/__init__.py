"""What can be known of a widget without the SDK: its templates, its data, and the components that ChatKit draws."""
