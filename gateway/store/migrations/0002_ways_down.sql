-- How a terminal is reached: the telephone number of its SIM, which the operator registers ('' for none: it is never sent
-- a message), and the channel that its newest frame came by.
ALTER TABLE terminals ADD COLUMN telephone TEXT NOT NULL DEFAULT '';
ALTER TABLE terminals ADD COLUMN channel TEXT NOT NULL DEFAULT '';
