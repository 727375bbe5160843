{#-
    The contributors with several leaf cells, `spanning_0`, followed upwards one dimension after another:

    contributors_0     their rows by leaf cell
    contributors_k     and with the totals of the first k dimensions: one row a contributor and cell
    parted_k           the same, and whether the contributor is still `spanning` several leaf cells, among cells that agree in
                       these dimensions. Who is not has one row in each total still to come, and can be counted with its cell

    A magnitude needs the contributor's sum in every cell. A product of plain counts only asks how many contributors a cell has:
    each leaf cell counts its own, and where a contributor has n > 1 leaf cells, n - 1 are taken off again.
-#}
{%- macro _spanning_contributors(product) -%}
    {%- set dims = product.dimensions | map(attribute='name') | list -%}
    {%- set followed = sdc._followed(product) -%}
contributors_0 as (
    select
        contributor_number,
        {{ dims | join(', ') }},
        count(*) as records,
        {%- if not product.magnitudes %}
        {{- sdc._counted_once(product) | indent(8) }},
        {%- endif %}
        {{- sdc._contributor_totals(product) | indent(8) }}
    from (
        {{ sdc._coded(product.by + dims, '(select * from contributions semi join spanning_0 using (contributor))') | indent(8) }}
    )
    inner join spanning_0 using ({{ sdc._prefixed(product.by, '') }}contributor)
    group by all
)
    {%- for name in dims -%}
    {%- set step = loop.index -%}
    {#- parting before the last step costs more than it saves -#}
    {%- set parted = 1 < step < dims | length -%}
    {%- set below = '(select * from parted_' ~ (step - 1) ~ ' where spanning)' if parted else 'contributors_' ~ (step - 1) %},

contributors_{{ step }} as (
    select contributor_number, {{ (dims + followed.keys() | list) | join(', ') }}
    from {{ below }}
    union all
    select
        contributor_number,
        {{ sdc._keys_with(dims, name, 'below') }},
        {%- for column, total in followed.items() %}
        {{ total.format(column) }} as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ below }} as below
    inner join {{ name }}_ancestors as ancestors
        on below.{{ name }} = ancestors.code and ancestors.code <> ancestors.ancestor
    group by all
)
    {%- if loop.revindex > 2 %},

{{ sdc._parted(product, step, ['contributor_number'] + dims[:step]) }}
    {%- endif -%}
    {%- endfor -%}
{%- endmacro -%}


{%- macro _parted(product, step, columns) -%}
parted_{{ step }} as materialized (
    select
        contributors.*,
        spanning.contributor_number is not null as spanning
    from contributors_{{ step }} as contributors
    left join (
        select {{ columns | join(', ') }}
        from contributors_{{ step }}
        group by all
        having {{ 'count(*)' if product.magnitudes else 'sum(leaf_cells)' }} > 1
    ) as spanning using ({{ columns | join(', ') }})
)
{%- endmacro -%}


{#- Of the sums of macros/cells/statistics.sql, those that must be known of one contributor in a larger cell, with their
    aggregate: not what can be added up whoever it is from. Where there are only counts, these are numbers of leaf cells. -#}
{%- macro _followed(product) -%}
    {%- set columns = {} -%}
    {%- set number = 'cast(sum({}) as bigint)' -%}
    {%- if not product.magnitudes -%}{%- do columns.update({'leaf_cells': number}) -%}{%- endif -%}
    {%- if product.requests -%}
        {%- do columns.update({'requested': 'bool_or({})'} if product.magnitudes else {'requests': number}) -%}
    {%- endif -%}
    {%- if product.waivers and product.magnitudes -%}{%- do columns.update({'waived': 'bool_and({})'}) -%}{%- endif -%}
    {%- for measure in product.measures if measure.kind != 'records' -%}
        {%- if not product.magnitudes -%}
            {%- do columns.update({measure.name ~ '_contributors': number}) -%}
        {%- else -%}
            {%- do columns.update({measure.name: ('max' if sdc._is_count(measure) else 'sum') ~ '({})'}) -%}
            {%- if measure.weight -%}{%- do columns.update({measure.name ~ '_amount': 'sum({})'}) -%}{%- endif -%}
        {%- endif -%}
    {%- endfor -%}
    {{- return(columns) -}}
{%- endmacro -%}


{#- A row of one contributor and leaf cell, for `_followed` counts. -#}
{%- macro _counted_once(product) %}
cast(1 as bigint) as leaf_cells
    {%- if product.requests %},
cast(bool_or(requested) as bigint) as requests
    {%- endif %}
    {%- for measure in product.measures if measure.kind != 'records' %},
cast(count({{ measure.name }}) > 0 as bigint) as {{ measure.name }}_contributors
    {%- endfor %}
{%- endmacro -%}


{#- What is taken off a cell that has several leaf cells of a contributor, each of which counted it. -#}
{%- macro _counted_again(product) %}
    {%- if product.requests %}
least(1 - requests, 0) as requests,
    {%- endif %}
    {%- for measure in product.measures %}
least(1 - {{ 'leaf_cells' if measure.kind == 'records' else measure.name ~ '_contributors' }}, 0) as {{ measure.name }}_contributors
    {{- ',' if not loop.last }}
    {%- endfor %}
{%- endmacro -%}
