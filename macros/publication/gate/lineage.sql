{#-
    Refuse a mart with any path to a confidential source, or to a model that names no source at all, that does not pass
    through a protected model. The message shows the path. Groups and access say the same at parse; this holds also
    where access was loosened.
-#}
{%- macro _gate_lineage(node) -%}
    {%- set protected = sdc._upstream_with_role(node, 'protected') -%}
    {%- set open_path = sdc._open_path(node) -%}
    {%- if open_path -%}
        {%- do sdc._refuse(['it reads confidential data past disclosure control: ' ~ open_path | join(' <- ')
            ~ '. A mart selects from a protected model (sdc.protect) only']) -%}
    {%- elif protected | length != 1 -%}
        {%- do sdc._refuse(['a mart selects from exactly one protected model (sdc.protect), this one from '
            ~ (protected | map(attribute='name') | join(', ') or 'none')]) -%}
    {%- endif -%}
{%- endmacro -%}


{#- The first path, as names from the mart to its source, that no protected model lies on; none when there is none. -#}
{%- macro _open_path(node) -%}
    {%- set paths = [[node]] -%}
    {%- set seen = [] -%}
    {%- for step in range(100000) if paths -%}
        {%- set path = paths.pop() -%}
        {%- set last = path[-1] -%}
        {%- set parents = last.depends_on.nodes if last.depends_on is defined else [] -%}
        {%- if not parents and last.config.meta.get('sdc_zone') != 'public' -%}
            {{- return(path | map(attribute='name') | list) -}}
        {%- endif -%}
        {%- for id in parents if id not in seen -%}
            {%- do seen.append(id) -%}
            {%- set parent = graph.nodes[id] if id in graph.nodes else graph.sources[id] -%}
            {%- if parent.config.meta.get('sdc_role') != 'protected' -%}
                {%- do paths.append(path + [parent]) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {{- return(none) -}}
{%- endmacro -%}


{#- Refuse a mart that could publish behind the gate's back, or whose columns nobody has promised. -#}
{%- macro _gate_declaration(node, pre_hooks, post_hooks) -%}
    {%- if pre_hooks or post_hooks -%}
        {%- do sdc._refuse(['it has hooks. A mart is what its query says; move the hook elsewhere']) -%}
    {%- endif -%}
    {%- if not node.config.contract.enforced -%}
        {%- do sdc._refuse(['it has no enforced contract. Declare its columns and `contract: {enforced: true}` in YAML']) -%}
    {%- endif -%}
{%- endmacro -%}
