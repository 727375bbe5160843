{#-
    cells(relation, dimensions, measures, contributor, by, tables)

    The cube: every cell of every table of a product, totals included, with what the rules need to know of its
    contributors. Declares the product: protect(), the gate and the tests find it through the graph.

    Grain of the result: by, one column a dimension. Columns: the dimensions' codes, `<dimension>_label`,
    `<dimension>_parents` (the codes it adds up to, one a hierarchy), `records`, and for each measure its value,
    `<measure>_contributors` (distinct contributors with a record that counts) and `<measure>_sole_contributor`
    (the contributor where there is exactly one). A cell that does not appear is empty: its value is zero.

    relation      contributions: one row per record, NULL where a record does not count for a measure
    dimensions    {'area': {'hierarchy': ref('area_hierarchy')}, 'size_band': {}}; a hierarchy has `code, parent,
                  label` (and `hierarchy` where the dimension has several) and one root, whose code is sdc.total()
                  or the dimension's `total`
    measures      {'companies': {'count': true}, 'units': {'count': 'unit_id'}, 'turnover': {'sum': 'turnover'}}
    contributor   the column that identifies the protected unit; a contributor is counted once in each total
    by            separate tables, no total over them
    tables        [['area', 'sector'], ['district', {'sector': {'depth': 1}}]]: only these margins, each down to
                  the given depth below the total; default: all crossings

    Cost: records are grouped once, by contributor and leaf cell. Leaf cells are then rolled up one dimension after
    another; only contributors that span several leaf cells are followed upwards themselves, to be counted once.
-#}
{%- macro cells(relation, dimensions, measures, contributor, by=[], tables=none) -%}
    {%- set product = sdc._product(dimensions, measures, contributor, by, tables) -%}
    {%- set declared = {} -%}
    {%- for measure in product.measures -%}
        {%- do declared.update({measure.name: {
            'kind': measure.kind, 'column': measure.column, 'decimals': measure.decimals}}) -%}
    {%- endfor -%}
    {{- config(meta={
        'sdc_role': 'cells',
        'sdc_dimensions': product.dimensions | map(attribute='name') | list,
        'sdc_totals': product.totals,
        'sdc_measures': declared,
        'sdc_by': product.by,
        'sdc_contributor': contributor
    }) -}}
    {%- set dims = product.dimensions | map(attribute='name') | list -%}
    {%- set keys = product.by + dims -%}

with recursive

contributions as (
    select
        {%- for column in product.by %}
        cast({{ column }} as varchar) as {{ column }},
        {%- endfor %}
        {%- for name in dims %}
        cast({{ name }} as varchar) as {{ name }},
        {%- endfor %}
        cast({{ contributor }} as varchar) as contributor,
        {%- for measure in product.measures %}
        {{ sdc._contribution(measure) }} as {{ measure.name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ relation }}
),

{% for dimension in product.dimensions -%}
{{ sdc._codes(dimension) }}

{% endfor -%}
{{ sdc._problems(product) }}

-- one row per contributor and leaf cell; everything later is made from these
leaf_contributors as (
    select
        {{ keys | join(', ') }},
        contributor,
        count(*) as records,
        {%- for measure in product.measures %}
        sum({{ measure.name }}) as {{ measure.name }},
        {%- endfor %}
        count(*) over (partition by {{ (product.by + ['contributor']) | join(', ') }}) > 1 as spans_leaves
    from contributions
    where (select case when count(*) > 0 then error(substr(min(problem), 3)) else true end from problems)
    group by {{ (keys + ['contributor']) | join(', ') }}
),

rolled_0 as (
    select
        {{ keys | join(', ') }},
        cast(sum(records) as bigint) as records,
        {%- for measure in product.measures %}
        coalesce(sum({{ measure.name }}), 0) as {{ measure.name }},
        count({{ measure.name }}) filter (where not spans_leaves) as {{ measure.name }}_contributors,
        min(contributor) filter (where not spans_leaves and {{ measure.name }} is not null)
            as {{ measure.name }}_sole_contributor{{ ',' if not loop.last }}
        {%- endfor %}
    from leaf_contributors
    group by {{ keys | join(', ') }}
),

spanning_0 as (
    select
        {{ keys | join(', ') }},
        contributor,
        {%- for measure in product.measures %}
        {{ measure.name }} is not null as {{ measure.name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from leaf_contributors
    where spans_leaves
),

{% for dimension in product.dimensions -%}
{%- set step = loop.index -%}
rolled_{{ step }} as (
    select
        {{ sdc._keys_with(keys, dimension.name, 'rolled') }},
        cast(sum(rolled.records) as bigint) as records,
        {%- for measure in product.measures %}
        sum(rolled.{{ measure.name }}) as {{ measure.name }},
        cast(sum(rolled.{{ measure.name }}_contributors) as bigint) as {{ measure.name }}_contributors,
        min(rolled.{{ measure.name }}_sole_contributor) as {{ measure.name }}_sole_contributor{{ ',' if not loop.last }}
        {%- endfor %}
    from rolled_{{ step - 1 }} as rolled
    inner join {{ dimension.name }}_ancestors as ancestors on rolled.{{ dimension.name }} = ancestors.code
    group by all
),

spanning_{{ step }} as (
    select
        {{ sdc._keys_with(keys, dimension.name, 'spanning') }},
        spanning.contributor,
        {%- for measure in product.measures %}
        bool_or(spanning.{{ measure.name }}) as {{ measure.name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from spanning_{{ step - 1 }} as spanning
    inner join {{ dimension.name }}_ancestors as ancestors on spanning.{{ dimension.name }} = ancestors.code
    group by all
),

{% endfor -%}
spanning_contributors as (
    select
        {{ keys | join(', ') }},
        {%- for measure in product.measures %}
        count(*) filter (where {{ measure.name }}) as {{ measure.name }}_contributors,
        min(contributor) filter (where {{ measure.name }}) as {{ measure.name }}_sole_contributor{{ ',' if not loop.last }}
        {%- endfor %}
    from spanning_{{ dims | length }}
    group by {{ keys | join(', ') }}
)

select
    {%- for column in product.by %}
    rolled.{{ column }},
    {%- endfor %}
    {%- for name in dims %}
    rolled.{{ name }},
    {{ name }}_codes.label as {{ name }}_label,
    {{ name }}_codes.parents as {{ name }}_parents,
    {%- endfor %}
    rolled.records,
    {%- for measure in product.measures %}
    {%- set contributors = measure.name ~ '_contributors' -%}
    {%- set sole = measure.name ~ '_sole_contributor' %}
    cast(rolled.{{ measure.name }} as {{ sdc._measure_type(measure) }}) as {{ measure.name }},
    rolled.{{ contributors }} + coalesce(spanning.{{ contributors }}, 0) as {{ contributors }},
    case
        when rolled.{{ contributors }} + coalesce(spanning.{{ contributors }}, 0) = 1
            then coalesce(rolled.{{ sole }}, spanning.{{ sole }})
    end as {{ sole }}{{ ',' if not loop.last }}
    {%- endfor %}
from rolled_{{ dims | length }} as rolled
left join spanning_contributors as spanning using ({{ keys | join(', ') }})
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


{#- The value a record contributes to a measure: NULL where the record does not count for it. -#}
{%- macro _contribution(measure) -%}
    {%- if measure.kind == 'records' -%}
        cast(1 as bigint)
    {%- elif measure.kind == 'count' -%}
        case when {{ measure.column }} is not null then cast(1 as bigint) end
    {%- else -%}
        cast({{ measure.column }} as decimal(28, {{ measure.decimals }}))
    {%- endif -%}
{%- endmacro -%}


{#- Counts are whole; magnitudes are decimals, because a parallel sum of floats has other last digits each time. -#}
{%- macro _measure_type(measure) -%}
    {{- 'decimal(38, ' ~ measure.decimals ~ ')' if measure.kind == 'sum' else 'bigint' -}}
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
