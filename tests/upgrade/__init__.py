"""A stack that an older version of the code made goes on under today's."""
