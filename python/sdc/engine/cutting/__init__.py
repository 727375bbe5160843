"""The parts of the exact method: block, attacker, inequalities, master problem, incumbents.

Method: Fischetti, M. and Salazar-González, J.J. (2001), "Solving the cell suppression problem on tabular data
with linear constraints", Management Science 47(7), 1008-1027; for two-way tables (2000), "Models and
algorithms for the 2-dimensional cell suppression problem in statistical disclosure control", Mathematical
Programming 84, 283-312.
"""
