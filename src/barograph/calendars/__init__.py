"""When venues trade: sessions and holidays."""
