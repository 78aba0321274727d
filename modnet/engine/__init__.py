"""What runs the kernels: storage, wiring, the compiled walk. Nobody who writes a module opens this room."""
