"""Files → evidence. Nothing is executed, unpickled or trusted."""
