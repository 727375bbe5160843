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

    Cost: records are grouped once by leaf cell, which settles all of a contributor with one record: nearly all. Only the
    others are grouped by contributor and leaf cell too, and followed upwards, the last dimension first, until they no longer
    span several of the cells to come: least where the last dimension is the one with the fewest codes. Whatever is settled
    is added up to cells, and cells are rolled up one dimension after another.
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
    {%- set upwards = dims | reverse | list -%}
    {%- set lists = [] -%}
    {%- for measure in product.magnitudes -%}{%- do lists.append(measure.name ~ '_largest') -%}{%- endfor -%}

with recursive

-- each use reads the columns it needs
contributions as not materialized (
    {{ sdc._contributions(relation, product, dims) | indent }}
),

{% for key in keys -%}
{{ sdc._used(key) }}

{% endfor -%}
{% for dimension in product.dimensions -%}
{{ sdc._codes(dimension) }}

{% endfor -%}
{% for column in product.by -%}
{{ sdc._numbered(column) }}

{% endfor -%}
{{ sdc._problems(product) }}

-- unfit contributions stop it all here
checked as not materialized (
    select *
    from contributions
    where (select case when count(*) > 0 then error(substr(min(problem), 3)) else true end from problems)
),

-- the contributors with several records, numbered once for all: a number is followed in a fraction of the time
repeated as materialized (
    select
        {{ sdc._prefixed(product.by, '') }}contributor,
        cast(row_number() over () as integer) as contributor_number
    from checked
    group by {{ sdc._prefixed(product.by, '') }}contributor
    having count(*) > 1
),

numbered as (
    {{ sdc._coded(product.by, 'repeated') | indent }}
),

-- the leaf cells: all values, and of the other contributors each record as a cell of one
leaves as (
    select
        {{ keys | join(', ') }},
        {{- sdc._merged(product) | indent(8) }}
    from (
        select
            {{ keys | join(', ') }},
            {{- sdc._values(product) | indent(12) }},
            {{- sdc._of_one_contributor(product) | indent(12) }}
        from checked
        anti join repeated using ({{ sdc._prefixed(product.by, '') }}contributor)
        union all by name
        select
            {{ keys | join(', ') }},
            {{- sdc._values(product) | indent(12) }}
        from checked
        semi join repeated using ({{ sdc._prefixed(product.by, '') }}contributor)
    )
    group by {{ keys | join(', ') }}
),

rolled_0 as (
    {{ sdc._coded(keys, 'leaves') | indent }}
),

contributors_0 as (
    select
        contributor_number,
        {{ dims | join(', ') }}
        {{- sdc._contributor_totals(product) | indent(8) }}
    from (
        {{ sdc._coded(dims, '(select * from checked inner join repeated using (' ~ sdc._prefixed(product.by, '') ~ 'contributor))')
            | indent(8) }}
    )
    group by contributor_number, {{ dims | join(', ') }}
),

{% for name in upwards -%}
{%- set step = loop.index -%}
contributors_{{ step }} as (
    select contributor_number, {{ (dims + sdc._followed(product)) | join(', ') }}
    from {{ sdc._below(step, upwards) }}
    union all
    select
        contributor_number,
        {{ sdc._keys_with(dims, name, 'below') }}
        {{- sdc._contributor_totals(product) | indent(8) }}
    from {{ sdc._below(step, upwards) }} as below
    inner join {{ name }}_totals as ancestors on below.{{ name }} = ancestors.code
    group by all
),

{% if loop.revindex > 2 -%}
{{ sdc._settled(step, upwards[:step]) }}

{% endif -%}
rolled_{{ step }} as (
    {%- if not loop.last %}
    select *
    from rolled_{{ step - 1 }}
    union all by name
    {%- endif %}
    select
        {{ keys | join(', ') }},
        {{- sdc._merged(product) | indent(8) }}
    from (
        select
            {{ sdc._keys_with(keys, name, 'below') }},
            below.* exclude ({{ (keys + lists) | join(', ') }})
        from rolled_{{ step - 1 }} as below
        inner join {{ name }}_{{ 'ancestors' if loop.last else 'totals' }} as ancestors on below.{{ name }} = ancestors.code
        {%- if lists %}
        union all by name
        select
            {{ sdc._keys_with(keys, name, 'below') }}
            {%- for list in lists %},
            unnest({{ list }}) as {{ list }}
            {%- endfor %}
        from rolled_{{ step - 1 }} as below
        inner join {{ name }}_{{ 'ancestors' if loop.last else 'totals' }} as ancestors on below.{{ name }} = ancestors.code
        {%- endif %}
        {%- if loop.last or loop.revindex > 2 %}
        union all by name
        select
            {{ keys | join(', ') }},
            {{- sdc._of_one_contributor(product) | indent(12) }}
        from {{ 'contributors' if loop.last else 'settled' }}_{{ step }}
        inner join numbered using (contributor_number)
        {%- endif %}
    )
    group by {{ keys | join(', ') }}
),

{% endfor -%}
rolled as (
    select * from rolled_{{ dims | length }}
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


{#- A relation with whole numbers for the codes of the given columns: they are grouped and joined in a fraction of the
    time. Unknown codes have stopped it all before. -#}
{%- macro _coded(keys, relation) -%}
select
    coded.*
    {%- if keys %} replace (
        {%- for key in keys %}
        {{ key }}_codes.number as {{ key }}{{ ',' if not loop.last }}
        {%- endfor %}
    )
    {%- endif %}
from {{ relation }} as coded
{%- for key in keys %}
inner join {{ key }}_codes on coded.{{ key }} = {{ key }}_codes.code
{%- endfor %}
{%- endmacro -%}


{#-
    `spanning`: the contributors that have several rows, among cells that agree in the given columns, those already rolled up.
    The others are `settled`: each total still to come has one row of them, so they can be counted with their cell.
-#}
{%- macro _settled(step, columns) -%}
spanning_{{ step }} as (
    select contributor_number, {{ columns | join(', ') }}
    from contributors_{{ step }}
    group by all
    having count(*) > 1
),

settled_{{ step }} as (
    select *
    from contributors_{{ step }}
    anti join spanning_{{ step }} using (contributor_number, {{ columns | join(', ') }})
),
{%- endmacro -%}


{#- What a step goes on with: who still spans several of the cells to come. Settling before the last step costs more than
    it saves. -#}
{%- macro _below(step, dims) -%}
    {%- set before = step - 1 -%}
    {%- if 0 < before < dims | length - 1 -%}
        (
            select *
            from contributors_{{ before }}
            semi join spanning_{{ before }} using (contributor_number, {{ dims[:before] | join(', ') }})
        )
    {%- else -%}
        contributors_{{ before }}
    {%- endif -%}
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
