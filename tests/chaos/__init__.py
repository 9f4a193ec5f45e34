"""Mixed load while web workers and the engine are killed and replaced at random: what of it is lost?"""
