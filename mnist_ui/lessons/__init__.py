"""The lessons under "Look closer", one module each."""
