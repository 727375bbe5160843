{#- What complementary suppression chooses by: costs, the release before, and cells that may not be chosen. -#}


{#-
    The cost of a measure's cells: {name, column}, the engine's name for it and SQL over `cells` where it is a column of the cells
    model, or none.
    Source: Handbook on Statistical Disclosure Control (2nd ed.), chapter 4; python/sdc/engine/costs.py has the definitions.
-#}
{%- macro _cost_of(measure, cost) -%}
    {%- if cost == 'count' -%}
        {{- return({'name': 'column:cost', 'column': 'cells.' ~ measure ~ '_contributors'}) -}}
    {%- elif cost.startswith('column:') -%}
        {{- return({'name': 'column:cost', 'column': 'cells.' ~ cost[7:]}) -}}
    {%- endif -%}
    {{- return({'name': cost, 'column': none}) -}}
{%- endmacro -%}


{#- Stop unless the cost is one of the named ones, or a numeric column that the cells model has. -#}
{%- macro _require_cost(cost, product=none) -%}
    {%- set named = ['value', 'count', 'unity', 'log', 'power', 'distance'] -%}
    {%- do sdc._require(cost in named or (cost is string and cost.startswith('column:')), 'protect', 'cost',
        'value, count, unity, log, power, distance or column:<name>', cost) -%}
    {%- if product and cost not in named -%}
        {%- set columns = ['records'] + (['requests'] if product.requests else []) -%}
        {%- for measure, declared in product.measures.items() -%}
            {%- do columns.extend([measure, measure ~ '_contributors']) -%}
            {%- if not sdc._is_count(declared) -%}
                {%- do columns.extend([measure ~ '_absolute', measure ~ '_zero_contributors']) -%}
            {%- endif -%}
            {%- if declared.weight -%}{%- do columns.append(measure ~ '_unweighted') -%}{%- endif -%}
        {%- endfor -%}
        {%- do sdc._require(cost[7:] in columns, 'protect', 'cost',
            'column: and a number of the cells model (' ~ columns | join(', ') ~ ')', cost) -%}
    {%- endif -%}
{%- endmacro -%}


{#-
    CTE `choices` (by, cell_id, `<measure>_previous`, is_frozen): what was suppressed in the release before, and what may
    not be suppressed now. Rows of `previous` that are no cells any more say nothing; a row of `frozen` that is no cell is an
    error, because a code mistyped there would leave a released cell to be suppressed.
-#}
{%- macro _choices(product, previous, frozen) -%}
{%- set keys = product.by + product.dimensions -%}
{%- set where = 'sdc.protect in ' ~ model.name ~ ': `frozen` names what is no cell of the product: ' -%}
{%- if previous %}
previous_cells as (
    select
        {%- for key in keys %}
        cast({{ key }} as varchar) as {{ key }},
        {%- endfor %}
        {%- for measure in product.measures %}
        bool_or({{ measure }}_status <> 'safe') as {{ measure }}_previous{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ previous }}
    group by all
),
{% endif %}
{%- if frozen %}
frozen_cells as (
    select distinct
        {%- for key in keys %}
        cast({{ key }} as varchar) as {{ key }},
        {%- endfor %}
        true as is_frozen
    from {{ frozen }}
),

unknown_frozen_cells as (
    select min({{ sdc._cell_name(keys, '') }}) as first_of_them
    from frozen_cells
    anti join cells using ({{ keys | join(', ') }})
),
{% endif %}
choices as (
    select
        {{ sdc._prefixed(product.by, 'cells.') }}
        cells.cell_id,
        {%- for measure in product.measures %}
        {{ 'previous_cells.' ~ measure ~ '_previous' if previous else 'false' }} as {{ measure }}_previous,
        {%- endfor %}
        {{ 'coalesce(frozen_cells.is_frozen, false)' if frozen else 'false' }} as is_frozen
    from cells
    {%- if previous %}
    left join previous_cells using ({{ keys | join(', ') }})
    {%- endif %}
    {%- if frozen %}
    left join frozen_cells using ({{ keys | join(', ') }})
    where (
        select case when first_of_them is null then true else error({{ "'" ~ where | replace("'", "''") ~ "'" }} || first_of_them) end
        from unknown_frozen_cells
    )
    {%- endif %}
),
{% endmacro -%}
