"""The arithmetic of the lessons under "Look closer"; nothing outside of them needs it."""
