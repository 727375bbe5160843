{#-
    utility(true_value, published): what a protected table has lost, as select expressions over its cells, on one scale for every
    method: cells, shares withheld (per cent), mean and largest absolute distance, Hellinger's distance (0 the same, 1 nothing in
    common). The same as sdc.utility.compare in Python. `published` is NULL where withheld.
-#}
{%- macro utility(true_value, published) -%}
    count(*) as cells,
    round(100.0 * count(*) filter (where {{ published }} is null) / count(*), 2) as percent_of_cells_withheld,
    round(100.0 * coalesce(sum({{ true_value }}) filter (where {{ published }} is null), 0) / nullif(sum({{ true_value }}), 0), 2)
        as percent_of_value_withheld,
    round(avg(abs({{ true_value }} - {{ published }})), 4) as mean_distance,
    max(abs({{ true_value }} - {{ published }})) as largest_distance,
    round(sqrt(greatest(0, 1 - sum(sqrt(cast({{ true_value }} as double) * coalesce({{ published }}, 0)))
        / sqrt(cast(sum({{ true_value }}) as double) * sum(coalesce({{ published }}, 0))))), 6) as hellinger
{%- endmacro -%}
