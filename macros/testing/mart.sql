{#- Shared by the generic tests: a mart's rows as cells of its product. Not a test itself. -#}


{#-
    The product, protected model and columns a mart is made of: {product, protected, columns, dimensions, measures,
    derived}.
    `dimensions` are those the mart shows; the others stand for their totals.
-#}
{%- macro _mart(model) -%}
    {%- set found = [] -%}
    {%- for node in graph.nodes.values() if node.relation_name == model | string -%}{%- do found.append(node) -%}{%- endfor -%}
    {%- set protected = sdc._upstream_with_role(found[0], 'protected') if found else [] -%}
    {%- if protected | length != 1 -%}
        {%- do exceptions.raise_compiler_error('this test belongs on a mart that selects from one protected model; '
            ~ model ~ ' is not') -%}
    {%- endif -%}
    {%- set product = sdc._product_of(protected[0], 'protect') -%}
    {%- set columns = adapter.get_columns_in_relation(model) | map(attribute='name') | list -%}
    {{- return({
        'node': found[0],
        'product': product,
        'protected': protected[0],
        'columns': columns,
        'dimensions': product.dimensions | select('in', columns) | list,
        'measures': product.measures.keys() | select('in', columns) | list,
        'derived': product.derived.keys() | select('in', columns) | list
    }) -}}
{%- endmacro -%}


{#- The mart's rows with the cells they stand for, as a CTE body: the cells model's columns and `<measure>_published`,
    derived measures too. -#}
{%- macro _published_cells(model, mart) -%}
    select
        cells.*,
        row_number() over (
            {{ sdc._partition(mart.product.by, 'cells.') }} order by {{ sdc._listed(mart.product.dimensions, 'cells.') }}
        ) as cell_id
        {%- for measure in mart.measures + mart.derived %},
        mart.{{ measure }} as {{ measure }}_published
        {%- endfor %}
    from {{ model }} as mart
    inner join {{ mart.product.relation }} as cells on true
        {%- for column in mart.product.by + mart.dimensions %}
        and cast(mart.{{ column }} as varchar) = cells.{{ column }}
        {%- endfor %}
        {%- for name in mart.product.dimensions if name not in mart.dimensions %}
        and cells.{{ name }} = '{{ mart.product.totals[name] | replace("'", "''") }}'
        {%- endfor %}
{%- endmacro -%}


{#-
    The relation that a cells model tabulates: the first model it refers to, which is the `relation` of cells(), or the
    model of that name among those upstream of it.
-#}
{%- macro _contributions_of(cells_id, name=none) -%}
    {%- set cells = graph.nodes[cells_id] -%}
    {%- set wanted = name or cells.refs[0].name -%}
    {%- for id in cells.depends_on.nodes if id in graph.nodes and graph.nodes[id].name == wanted -%}
        {{- return(graph.nodes[id].relation_name) -}}
    {%- endfor -%}
    {%- do exceptions.raise_compiler_error('no_disclosive_cells: ' ~ wanted ~ ' is not a model that ' ~ cells.name
        ~ ' tabulates; name it with the argument `contributions`') -%}
{%- endmacro -%}


{#-
    A failing row (measure, problem, cell) where a test has not seen the whole mart: the table is empty, or has rows that
    are no cells of the product. A test that looked at nothing has shown nothing.

    examined   the relation or CTE of the rows the test looks at, one for each row of the mart
-#}
{%- macro _not_examined(model, examined) -%}
    select
        'every measure' as measure,
        'examined ' || examined_rows || ' of ' || published_rows || ' rows' as problem,
        '' as cell
    from (
        select
            (select count(*) from {{ model }}) as published_rows,
            (select count(*) from {{ examined }}) as examined_rows
    )
    where {{ 'false' if flags.EMPTY else 'published_rows = 0' }} or examined_rows <> published_rows
{%- endmacro -%}
