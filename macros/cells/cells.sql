{#-
    cells(relation, dimensions, measures, contributor, by, tables, requests, waivers)

    The cube: every cell of every table of a product, totals included, with what the rules need to know of its
    contributors. Declares the product: protect(), the gate and the tests find it through the graph.

    Grain of the result: by, one column a dimension. Columns: the dimensions' codes, `<dimension>_label`,
    `<dimension>_parents` (the codes it adds up to, one a hierarchy), `records`, `requests` (where asked for), and for
    each measure those of macros/cells/statistics.sql: its value, `<measure>_contributors`, `<measure>_sole_contributor`,
    `<measure>_largest` ... A cell that does not appear is empty: its value is zero.

    relation      contributions: one row per record, NULL where a record does not count for a measure
    dimensions    {'area': {'hierarchy': ref('area_hierarchy')}, 'size_band': {}}; a hierarchy has `code, parent,
                  label` (and `hierarchy` where the dimension has several) and one root, whose code is sdc.total()
                  or the dimension's `total`
    measures      {'companies': {'count': true}, 'units': {'count': 'unit_id'}, 'turnover': {'sum': 'turnover'}}, with
                  'weight' for a survey; derived ones are macros/cells/derived.sql
    contributor   the column that identifies the protected unit, counted once in each total: the person, or the
                  enterprise group (holding), not the enterprise, where groups decide together what their members tell
    by            separate tables, no total over them
    tables        [['area', 'sector'], ['district', {'sector': {'depth': 1}}]]: only these margins, each down to
                  the given depth below the total; default: all crossings
    requests      boolean column: the contributor of this record asked for protection
    waivers       boolean column: the contributor of this record consented to its disclosure. It is waived in a cell
                  where all its records are

    Cost: records are grouped once, by contributor and leaf cell, codes and contributors as whole numbers. Leaf cells are then
    rolled up one dimension after another; only contributors that span several of the cells to come are followed upwards
    themselves, and only until they no longer do. Of the largest contributions only the ranks are rolled up; who they are is
    looked up at the end.
-#}
{%- macro cells(relation, dimensions, measures, contributor, by=[], tables=none, requests=none, waivers=none) -%}
    {%- set product = sdc._product(dimensions, measures, contributor, by, tables, requests, waivers) -%}
    {{- config(meta={
        'sdc_role': 'cells',
        'sdc_dimensions': product.dimensions | map(attribute='name') | list,
        'sdc_totals': product.totals,
        'sdc_measures': product.declared,
        'sdc_by': product.by,
        'sdc_contributor': contributor,
        'sdc_requests': requests,
        'sdc_waivers': waivers
    }) -}}
    {%- set dims = product.dimensions | map(attribute='name') | list -%}
    {%- set keys = product.by + dims -%}
    {%- set ranks = [] -%}
    {%- for measure in product.magnitudes -%}{%- do ranks.append(measure.name ~ '_largest') -%}{%- endfor -%}

with recursive

-- each use reads the columns it needs
contributions as not materialized (
    select
        {%- for column in product.by %}
        cast({{ column }} as varchar) as {{ column }},
        {%- endfor %}
        {%- for name in dims %}
        cast({{ name }} as varchar) as {{ name }},
        {%- endfor %}
        {%- for flag, column in [('requested', requests), ('waived', waivers)] if column %}
        cast({{ column }} as boolean) as {{ flag }},
        {%- endfor %}
        {%- for measure in product.measures %}
        {{ sdc._contribution(measure) }},
        {%- endfor %}
        cast({{ contributor }} as varchar) as contributor
    from {{ relation }}
),

{% for key in keys + ['contributor'] -%}
{{ sdc._used(key) }}

{% endfor -%}
{% for dimension in product.dimensions -%}
{{ sdc._codes(dimension) }}

{% endfor -%}
{% for key in product.by + ['contributor'] -%}
{{ sdc._numbered(key) }}

{% endfor -%}
{{ sdc._problems(product) }}

-- one row per contributor and leaf cell; everything later is made from these
contributors_0 as (
    select
        {%- for key in keys + ['contributor'] %}
        {{ key }}_codes.number as {{ key }},
        {%- endfor %}
        count(*) as records,
        {{- sdc._contributor_totals(product) | indent(8) }}
    from contributions
    {%- for key in keys + ['contributor'] %}
    inner join {{ key }}_codes on contributions.{{ key }} = {{ key }}_codes.code
    {%- endfor %}
    where (select case when count(*) > 0 then error(substr(min(problem), 3)) else true end from problems)
    group by all
),

{{ sdc._settled(0, product.by) }}

{% for name in dims -%}
{%- set step = loop.index -%}
contributors_{{ step }} as (
    select
        {{ sdc._keys_with(keys, name, 'below') }},
        contributor,
        cast(sum(records) as bigint) as records,
        {{- sdc._contributor_totals(product, again=true) | indent(8) }}
    from contributors_{{ step - 1 }} as below
    semi join spanning_{{ step - 1 }} using ({{ sdc._prefixed(product.by + dims[:step - 1], '') }}contributor)
    inner join {{ name }}_ancestors as ancestors on below.{{ name }} = ancestors.code
    group by all
),

{{ sdc._settled(step, product.by + dims[:step]) }}

{% endfor -%}
settled as (
    select
        *
        {%- for measure in product.magnitudes %},
        {{ sdc._rank(measure) | indent(8) }}
        {%- endfor %}
    from (
        {%- for step in range(dims | length + 1) %}
        {{ 'union all' if not loop.first }}
        select {{ step }} as step, * from settled_{{ step }}
        {%- endfor %}
    )
),

-- settled contributors as cells; what is left is to add these up
settled_cells as (
    select
        step,
        {{ keys | join(', ') }},
        {{- sdc._merged(product) | indent(8) }}
        {%- if product.magnitudes %},
        {{- sdc._largest(product) | indent(8) }}
        {%- endif %}
    from (
        select
            step,
            {{ keys | join(', ') }},
            {{- sdc._of_one_contributor(product) | indent(12) }}
            {%- for rank in ranks %},
            {{ rank }}
            {%- endfor %}
        from settled
    )
    group by step, {{ keys | join(', ') }}
),

rolled_0 as (
    select * exclude ({{ (['step'] + ranks) | join(', ') }})
    from settled_cells
    where step = 0
),

{% if ranks -%}
largest_0 as (
    select {{ (keys + ranks) | join(', ') }}
    from settled_cells
    where step = 0
),

{% endif -%}
{% for name in dims -%}
{%- set step = loop.index -%}
rolled_{{ step }} as (
    select
        {{ keys | join(', ') }},
        {{- sdc._merged(product) | indent(8) }}
    from (
        select
            {{ sdc._keys_with(keys, name, 'below') }},
            below.* exclude ({{ keys | join(', ') }})
        from rolled_{{ step - 1 }} as below
        inner join {{ name }}_ancestors as ancestors on below.{{ name }} = ancestors.code
        union all by name
        select * exclude ({{ (['step'] + ranks) | join(', ') }})
        from settled_cells
        where step = {{ step }}
    )
    group by {{ keys | join(', ') }}
),

{% if ranks -%}
largest_{{ step }} as (
    select
        {{ keys | join(', ') }},
        {{- sdc._largest(product) | indent(8) }}
    from (
        select
            {{ keys | join(', ') }}
            {%- for rank in ranks %},
            unnest({{ rank }}) as {{ rank }}
            {%- endfor %}
        from (
            select {{ sdc._keys_with(keys, name, 'below') }}, {{ ranks | join(', ') }}
            from largest_{{ step - 1 }} as below
            inner join {{ name }}_ancestors as ancestors on below.{{ name }} = ancestors.code
            union all
            select {{ (keys + ranks) | join(', ') }}
            from settled_cells
            where step = {{ step }}
        )
    )
    group by {{ keys | join(', ') }}
),

{% endif -%}
{% endfor -%}
{% if ranks -%}
-- the largest by name and size
largest as (
    select
        {{ keys | join(', ') }},
        {{- sdc._largest(product) | indent(8) }}
    from (
        select
            {{ sdc._listed(keys, 'ranks.') }}
            {%- for measure in product.magnitudes %},
            {{ sdc._entry(product, measure, measure.name ~ '_ranked.', measure.name ~ '_owners.code') | indent(12) }}
            {%- endfor %}
        from (
            select
                {{ keys | join(', ') }}
                {%- for rank in ranks %},
                unnest({{ rank }}) as {{ rank }}
                {%- endfor %}
            from largest_{{ dims | length }}
        ) as ranks
        {%- for measure in product.magnitudes %}
        left join settled as {{ measure.name }}_ranked
            on ranks.{{ measure.name }}_largest = {{ measure.name }}_ranked.{{ measure.name }}_largest
        left join contributor_codes as {{ measure.name }}_owners
            on {{ measure.name }}_ranked.contributor = {{ measure.name }}_owners.number
        {%- endfor %}
    )
    group by {{ keys | join(', ') }}
),

{% endif -%}
rolled as (
    select rolled.* replace (
        {%- for measure in product.measures %}
        {{ measure.name }}_owners.code as {{ measure.name }}_sole_contributor{{ ',' if not loop.last }}
        {%- endfor %}
    )
    from rolled_{{ dims | length }} as rolled
    {%- for measure in product.measures %}
    left join contributor_codes as {{ measure.name }}_owners
        on rolled.{{ measure.name }}_sole_contributor = {{ measure.name }}_owners.number
    {%- endfor %}
)

select
    {%- for column in product.by %}
    {{ column }}_codes.code as {{ column }},
    {%- endfor %}
    {%- for name in dims %}
    {{ name }}_codes.code as {{ name }},
    {{ name }}_codes.label as {{ name }}_label,
    {{ name }}_codes.parents as {{ name }}_parents,
    {%- endfor %}
    {{- sdc._statistics(product) | indent }}
from rolled
{%- if ranks %}
left join largest using ({{ keys | join(', ') }})
{%- endif %}
{%- for key in keys %}
inner join {{ key }}_codes on rolled.{{ key }} = {{ key }}_codes.number
{%- endfor %}
{%- if product.tables %}
where
    {%- for table in product.tables %}
    {{ 'or ' if not loop.first }}({{ sdc._in_table(product, table) }})
    {%- endfor %}
{%- endif %}
{%- endmacro -%}


{#-
    `spanning`: the contributors that have several rows, among cells that agree in the given columns, those already rolled up.
    The others are `settled`: each total still to come has one row of them, so they can be counted with their cell.
-#}
{%- macro _settled(step, columns) -%}
spanning_{{ step }} as (
    select {{ sdc._prefixed(columns, '') }}contributor
    from contributors_{{ step }}
    group by all
    having count(*) > 1
),

settled_{{ step }} as (
    select *
    from contributors_{{ step }}
    anti join spanning_{{ step }} using ({{ sdc._prefixed(columns, '') }}contributor)
),
{%- endmacro -%}


{#- The key columns of one roll-up step: the step's dimension is replaced by its ancestors. -#}
{%- macro _keys_with(keys, dimension, alias) -%}
    {%- for key in keys -%}
        {{ 'ancestors.ancestor as ' ~ key if key == dimension else alias ~ '.' ~ key }}{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro -%}


{#- The condition for a cell to be in one table: every dimension outside it is a total, the others within depth. -#}
{%- macro _in_table(product, table) -%}
    {%- set conditions = [] -%}
    {%- for dimension in product.dimensions -%}
        {%- if dimension.name not in table -%}
            {%- do conditions.append(dimension.name ~ "_codes.depth = 0") -%}
        {%- elif table[dimension.name] is not none -%}
            {%- do conditions.append(dimension.name ~ "_codes.depth <= " ~ table[dimension.name]) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ conditions | join(' and ') if conditions else 'true' }}
{%- endmacro -%}
