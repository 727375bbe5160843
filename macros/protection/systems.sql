{#- The cells of a relation with their `cell_id`, as a CTE body. -#}
{%- macro _numbered_cells(relation, product) -%}
    select
        row_number() over ({{ sdc._partition(product.by) }} order by {{ product.dimensions | join(', ') }}) as cell_id,
        *
    from {{ relation }}
{%- endmacro -%}


{#-
    The linear relations of a product as a CTE `relations` (by, relation_id, cell_id, coefficient): in each hierarchy
    of each dimension a parent equals the sum of its children, all other dimensions held fixed. A relation exists where
    the cells model has the parent and any child; children that do not appear are empty, so the sum still holds.
-#}
{%- macro _relations(cells, product) -%}
{%- for dimension in product.dimensions %}
{{ dimension }}_sums as (
    select
        {{ sdc._prefixed(product.by, 'child.') }}
        '{{ dimension }}' as dimension,
        child.hierarchy,
        parent.cell_id as parent_id,
        child.cell_id as child_id
    from (
        select
            {{ sdc._prefixed(product.by, '') }}
            {{ sdc._prefixed(product.dimensions | reject('equalto', dimension), '') }}
            cell_id,
            unnest({{ dimension }}_parents).hierarchy as hierarchy,
            unnest({{ dimension }}_parents).code as {{ dimension }}
        from {{ cells }}
    ) as child
    inner join {{ cells }} as parent using ({{ (product.by + product.dimensions) | join(', ') }})
),
{% endfor %}
sums as (
    {%- for dimension in product.dimensions %}
    select *
    from {{ dimension }}_sums
    {{- '\n    union all' if not loop.last }}
    {%- endfor %}
),

numbered_sums as (
    select
        {{ sdc._prefixed(product.by, '') }}
        dense_rank() over ({{ sdc._partition(product.by) }} order by dimension, hierarchy, parent_id) as relation_id,
        dimension,
        hierarchy,
        parent_id,
        child_id
    from sums
),

relations as (
    select distinct
        {{ sdc._prefixed(product.by, '') }}
        relation_id,
        parent_id as cell_id,
        cast(1 as double) as coefficient
    from numbered_sums
    union all
    select
        {{ sdc._prefixed(product.by, '') }}
        relation_id,
        child_id as cell_id,
        cast(-1 as double) as coefficient
    from numbered_sums
),

relation_lists as (
    select
        {{ sdc._prefixed(product.by, '') }}
        list(struct_pack(relation_id := relation_id, cell_id := cell_id, coefficient := coefficient)
            order by relation_id, cell_id) as relation_list
    from relations
    {{ sdc._group_by(product.by) }}
),
{%- endmacro -%}


{#- The relations in words, as a CTE `relation_names` (by, relation_id, relation_name), after `_relations`: their total and what it is the sum over. -#}
{%- macro _relation_names(cells, product) -%}
relation_names as (
    select distinct
        {{ sdc._prefixed(product.by, 'totals.') }}
        totals.relation_id,
        {{ sdc._cell_name(product.dimensions, 'cells.') }} || ': sum over ' || totals.dimension
            || case when totals.hierarchy <> '' then ' (hierarchy ' || totals.hierarchy || ')' else '' end as relation_name
    from numbered_sums as totals
    inner join {{ cells }} as cells on totals.parent_id = cells.cell_id
        {%- for column in product.by %}
        and totals.{{ column }} = cells.{{ column }}
        {%- endfor %}
),
{%- endmacro -%}


{#-
    What a protected model is to withstand, as protect() was told, for all who ask the engine after it: {least, the
    least_suppressed_count, unions, pinning}. The models of other methods are asked everything.
-#}
{%- macro _withstands(protected) -%}
    {%- set told = protected.config.meta -%}
    {{- return({
        'least': told.get('sdc_least_suppressed_count'),
        'unions': told.get('sdc_unions', true),
        'pinning': told.get('sdc_pinning', true)
    }) -}}
{%- endmacro -%}


{#-
    One engine call for one measure under the primary rules.

    call        sdc_suppress, sdc_audit or sdc_explain
    rules_of_sums
                what sums of suppressed cells must pass (_rules_of_sums)
    status      SQL for the status each cell goes in with, over `cells`, `rules` and, where given, `suppressed`; `rules` is
                the CTE `<measure>_primary` of the primary rules, their levels and the attacker's prior bound
                (_primary_cells)
    suppressed  CTE with the status after suppression (for the audit)
    cost        SQL over `cells` for what suppressing a cell costs, none for the engine's own function
    choices     whether there is a CTE `choices` of what was suppressed before and what may not be (_choices)

    Counts are whole numbers: at least two of them must stay possible for a primary cell.
-#}
{%- macro _engine_call(call, product, measure, options, rules_of_sums, status, suppressed=none, cost=none, choices=false) -%}
    {%- set cell = sdc._engine_cell(measure, product, status, cost=cost or 'null',
        lower='rules.lower', upl='rules.upl', lpl='rules.lpl',
        frozen='choices.is_frozen' if choices else 'false',
        previous='choices.' ~ measure ~ '_previous' if choices else 'false',
        contributor='rules.contributor', contributors='cells.' ~ measure ~ '_contributors', rules_of_sums=rules_of_sums) -%}
    {%- set joined = {'rules': measure ~ '_primary'} -%}
    {%- if suppressed -%}{%- do joined.update({'suppressed': suppressed}) -%}{%- endif -%}
    {%- if choices -%}{%- do joined.update({'choices': 'choices'}) -%}{%- endif -%}
{{ sdc._each_system(call, product, measure, cell, dict(options, rules=rules_of_sums), joined) }}
{%- endmacro -%}


{#-
    A function of the engine applied to one measure: a system for each combination of `by`, its result unnested to one row a
    cell.

    cell        SQL for the struct of a cell, over `cells` and what is joined (_engine_cell)
    options     keyword arguments of the function, and `where`: the model, for errors
    joined      {alias: CTE with the key of `cells`}
-#}
{%- macro _each_system(call, product, measure, cell, options, joined) -%}
select
    {{ sdc._prefixed(product.by, '') }}
    unnest(result, recursive := true)
from (
    select
        {{ sdc._prefixed(product.by, 'systems.') }}
        {{ call }}(systems.cell_list, coalesce(relation_lists.relation_list, []),
            '{{ tojson(dict(options, where=options.where ~ ', ' ~ measure)) }}') as result
    from (
        select
            {{ sdc._prefixed(product.by, 'cells.') }}
            list({{ cell | indent(12) }} order by cells.cell_id) as cell_list
        from cells
        {%- for alias, cte in joined.items() %}
        inner join {{ cte }} as {{ alias }} using ({{ (product.by + ['cell_id']) | join(', ') }})
        {%- endfor %}
        {{ sdc._group_by(product.by, 'cells.') }}
    ) as systems
    left join relation_lists {{ 'using (' ~ product.by | join(', ') ~ ')' if product.by else 'on true' }}
)
{%- endmacro -%}


{#-
    A cell as the engine's struct (CELLS in python/sdc/functions.py), over `cells`. The arguments are SQL for the fields in
    which calls differ; each default says nothing of a cell.

    rules_of_sums   what sums of suppressed cells must pass (_rules_of_sums): rules of concentration need the size of the
                    cell and its largest contributors
-#}
{%- macro _engine_cell(
    measure, product, status, cost='null', lower='0', upper='null', upl='0', lpl='0', frozen='false', previous='false',
    contributor='null', contributors='null', rules_of_sums={}
) -%}
{%- set concentration = rules_of_sums.keys() | reject('equalto', 'threshold') | list -%}
struct_pack(
    {{ sdc._cell_value(measure, product) | indent }},
    status := {{ status }},
    cost := cast({{ cost }} as double),
    lower := cast({{ lower }} as double),
    upper := cast({{ upper }} as double),
    upl := cast({{ upl }} as double),
    lpl := cast({{ lpl }} as double),
    spl := cast(0 as double),
    frozen := {{ frozen }},
    previous := {{ previous }},
    contributor := cast({{ contributor }} as bigint),
    contributors := cast({{ contributors }} as bigint),
    {%- if concentration %}
    absolute := cast(cells.{{ measure }}_absolute as double),
    largest := list_transform(coalesce(cells.{{ measure }}_largest, []), lambda one: struct_pack(
        contributor := one.contributor,
        amount := cast(one.amount as double),
        waived := one.waived
    )),
    {%- else %}
    absolute := cast(null as double),
    largest := cast(null as struct(contributor varchar, amount double, waived boolean)[]),
    {%- endif %}
    "integer" := {{ 'true' if sdc._is_count(product.measures[measure]) else 'false' }}
)
{%- endmacro -%}


{#- The fields of a cell's struct that every function of the engine takes; sdc_round takes no others. -#}
{%- macro _cell_value(measure, product) -%}
cell_id := cells.cell_id,
name := {{ sdc._cell_name(product.dimensions, 'cells.') }},
value := cast(cells.{{ measure }} as double)
{%- endmacro -%}


{#- A cell in words, for messages: its codes, never its value. Never NULL: a complaint must not vanish with a code. -#}
{%- macro _cell_name(dimensions, alias) -%}
    {%- for name in dimensions -%}
        '{{ ', ' if not loop.first }}{{ name }} = ' || coalesce({{ alias }}{{ name }}, 'NULL'){{ ' || ' if not loop.last }}
    {%- endfor -%}
{%- endmacro -%}


{#- Columns followed by commas, for the head of a select list. -#}
{%- macro _prefixed(columns, alias) -%}
    {%- for column in columns -%}{{ alias }}{{ column }}, {% endfor -%}
{%- endmacro -%}

{#- Columns separated by commas. -#}
{%- macro _listed(columns, alias='') -%}
    {%- for column in columns -%}{{ alias }}{{ column }}{{ ', ' if not loop.last }}{%- endfor -%}
{%- endmacro -%}


{%- macro _partition(columns, alias='') -%}
    {%- if columns -%}partition by {{ sdc._listed(columns, alias) }}{%- endif -%}
{%- endmacro -%}


{%- macro _group_by(columns, alias='') -%}
    {%- if columns -%}group by {{ sdc._listed(columns, alias) }}{%- endif -%}
{%- endmacro -%}
