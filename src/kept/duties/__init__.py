"""The promises, one module per group of policy sections; `kept.duties.table` names them all."""
