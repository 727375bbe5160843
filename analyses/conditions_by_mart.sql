-- Which disclosure conditions hold for each mart, and where each came from: policy floor, rule set, agreement of a
-- source upstream, register, the model itself. `counts` marks the strictest, which is in force. For review; internal,
-- because it shows parameters. Run with `make dbt ARGS="show --select conditions_by_mart --limit -1"`.
select *
from ({{ sdc.conditions_by_mart() }})
order by
    mart asc,
    rule asc,
    parameter asc,
    counts desc,
    origin asc
