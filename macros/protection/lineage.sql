{#-
    The declaration of the product a model belongs to: what cells() left in the meta of the nearest cells model
    upstream. Returns {node, relation, dimensions, totals, measures {name: {kind, column, weight, negatives, decimals}}
    (those with columns), derived {name: {kind, parts, decimals, ...}}, by, contributor, requests, waivers} (the last two
    the columns of those who asked for protection, and who waived it, or none).
    Raises a compiler error when there is none or more than one.
-#}
{%- macro _product_of(node, macro) -%}
    {%- set found = sdc._upstream_with_role(node, 'cells') -%}
    {%- if found | length != 1 -%}
        {%- do exceptions.raise_compiler_error(
            'sdc.' ~ macro ~ ' in ' ~ node.name ~ ': expects exactly one cells model upstream (a model that is one call of '
            ~ 'sdc.cells()), found ' ~ (found | map(attribute='name') | join(', ') or 'none')) -%}
    {%- endif -%}
    {%- set meta = found[0].config.meta -%}
    {%- set measures = {} -%}
    {%- set derived = {} -%}
    {%- for name, declared in meta.sdc_measures.items() -%}
        {%- do (derived if 'parts' in declared else measures).update({name: declared}) -%}
    {%- endfor -%}
    {{- return({
        'node': found[0].unique_id,
        'relation': found[0].relation_name,
        'dimensions': meta.sdc_dimensions,
        'totals': meta.sdc_totals,
        'measures': measures,
        'derived': derived,
        'by': meta.sdc_by,
        'contributor': meta.sdc_contributor,
        'requests': meta.get('sdc_requests'),
        'waivers': meta.get('sdc_waivers')
    }) -}}
{%- endmacro -%}


{#-
    The nearest nodes upstream (each path stops at the first) whose meta has this sdc_role, in order of their ids. What is
    beside a cells model (the release before, cells that are released) has cells of its own; they are not the product's.
-#}
{%- macro _upstream_with_role(node, role) -%}
    {%- set found = {} -%}
    {%- set seen = [] -%}
    {%- set queue = sdc._parents_towards(node, role) -%}
    {%- for step in range(10000) if queue -%}
        {%- set id = queue.pop() -%}
        {%- if id not in seen and id in graph.nodes -%}
            {%- do seen.append(id) -%}
            {%- set upstream = graph.nodes[id] -%}
            {%- if upstream.config.meta.get('sdc_role') == role -%}
                {%- do found.update({id: upstream}) -%}
            {%- else -%}
                {%- do queue.extend(sdc._parents_towards(upstream, role)) -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
    {{- return(found.values() | sort(attribute='unique_id') | list) -}}
{%- endmacro -%}


{#- The parents of a node; of a node made from cells models, when these are sought, only these. -#}
{%- macro _parents_towards(node, role) -%}
    {%- set cells = [] -%}
    {%- for id in node.depends_on.nodes if role == 'cells' and id in graph.nodes
            and graph.nodes[id].config.meta.get('sdc_role') == 'cells' -%}
        {%- do cells.append(id) -%}
    {%- endfor -%}
    {{- return(cells or node.depends_on.nodes | list) -}}
{%- endmacro -%}
