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

    Cost: records are grouped once, by contributor and leaf cell. Leaf cells are then rolled up one dimension after
    another; only contributors that span several of the cells to come are followed upwards themselves, and only until
    they no longer do.
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

{% for dimension in product.dimensions -%}
{{ sdc._codes(dimension) }}

{% endfor -%}
{{ sdc._problems(product) }}

-- one row per contributor and leaf cell; everything later is made from these
contributors_0 as (
    select
        {{ keys | join(', ') }},
        contributor,
        count(*) as records,
        {{- sdc._contributor_totals(product) | indent(8) }}
    from contributions
    where (select case when count(*) > 0 then error(substr(min(problem), 3)) else true end from problems)
    group by {{ (keys + ['contributor']) | join(', ') }}
),

{{ sdc._settled(0, product.by) }}

rolled_0 as (
    select
        {{ keys | join(', ') }},
        {{- sdc._merged(product) | indent(8) }}
    from (
        select
            {{ keys | join(', ') }},
            {{- sdc._of_one_contributor(product) | indent(12) }}
        from settled_0
    )
    group by {{ keys | join(', ') }}
),

{% if product.magnitudes -%}
largest_0 as (
    select
        {{ keys | join(', ') }},
        {{- sdc._largest(product) | indent(8) }}
    from (
        select
            {{ keys | join(', ') }},
            {{- sdc._ranked(product) | indent(12) }}
        from settled_0
    )
    group by {{ keys | join(', ') }}
),

{% endif -%}
{% for dimension in product.dimensions -%}
{%- set step = loop.index -%}
{%- set ancestors = dimension.name ~ '_ancestors as ancestors on below.' ~ dimension.name ~ ' = ancestors.code' -%}
contributors_{{ step }} as (
    select
        {{ sdc._keys_with(keys, dimension.name, 'below') }},
        contributor,
        cast(sum(records) as bigint) as records,
        {{- sdc._contributor_totals(product, again=true) | indent(8) }}
    from contributors_{{ step - 1 }} as below
    inner join {{ ancestors }}
    where {{ sdc._unit(product.by + dims[:step - 1], 'below.') }} in (select unit from spanning_{{ step - 1 }})
    group by all
),

{{ sdc._settled(step, product.by + dims[:step]) }}

rolled_{{ step }} as (
    select
        {{ keys | join(', ') }},
        {{- sdc._merged(product) | indent(8) }}
    from (
        select
            {{ sdc._keys_with(keys, dimension.name, 'below') }},
            below.* exclude ({{ keys | join(', ') }})
        from rolled_{{ step - 1 }} as below
        inner join {{ ancestors }}
        union all by name
        select
            {{ keys | join(', ') }},
            {{- sdc._of_one_contributor(product) | indent(12) }}
        from settled_{{ step }}
    )
    group by {{ keys | join(', ') }}
){{ ',' if product.magnitudes or not loop.last }}

{% if product.magnitudes -%}
largest_{{ step }} as (
    select
        {{ keys | join(', ') }},
        {{- sdc._largest(product) | indent(8) }}
    from (
        select
            {{ sdc._keys_with(keys, dimension.name, 'below') }}
            {%- for measure in product.magnitudes %},
            unnest(below.{{ measure.name }}_largest) as {{ measure.name }}_largest
            {%- endfor %}
        from largest_{{ step - 1 }} as below
        inner join {{ ancestors }}
        union all by name
        select
            {{ keys | join(', ') }},
            {{- sdc._ranked(product) | indent(12) }}
        from settled_{{ step }}
    )
    group by {{ keys | join(', ') }}
){{ ',' if not loop.last }}

{% endif -%}
{% endfor %}
select
    {%- for column in product.by %}
    rolled.{{ column }},
    {%- endfor %}
    {%- for name in dims %}
    rolled.{{ name }},
    {{ name }}_codes.label as {{ name }}_label,
    {{ name }}_codes.parents as {{ name }}_parents,
    {%- endfor %}
    {{- sdc._statistics(product) | indent }}
from rolled_{{ dims | length }} as rolled
{%- if product.magnitudes %}
left join largest_{{ dims | length }} as largest using ({{ keys | join(', ') }})
{%- endif %}
{%- for name in dims %}
inner join {{ name }}_codes on rolled.{{ name }} = {{ name }}_codes.code
{%- endfor %}
{%- if product.tables %}
where
    {%- for table in product.tables %}
    {{ 'or ' if not loop.first }}({{ sdc._in_table(product, table) }})
    {%- endfor %}
{%- endif %}
{%- endmacro -%}


{#-
    A contributor within cells that agree in the given columns, as a number. It is enough to look it up by its hash: a
    contributor that is taken to span cells by mistake is only followed for longer.
-#}
{%- macro _unit(columns, alias='') -%}
    hash({{ sdc._prefixed(columns, alias) }}{{ alias }}contributor)
{%- endmacro -%}


{#-
    `spanning`: the contributors that have several rows, among cells that agree in the columns already rolled up. The others
    are `settled`: each total still to come has one row of them, so they can be counted with their cell.
-#}
{%- macro _settled(step, columns) -%}
spanning_{{ step }} as (
    select {{ sdc._unit(columns) }} as unit
    from contributors_{{ step }}
    group by unit
    having count(*) > 1
),

settled_{{ step }} as (
    select *
    from contributors_{{ step }}
    where {{ sdc._unit(columns) }} not in (select unit from spanning_{{ step }})
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
