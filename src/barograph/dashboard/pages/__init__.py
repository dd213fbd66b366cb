"""The pages: each is a module with one function, ``show(house)``, imported when somebody opens it."""
