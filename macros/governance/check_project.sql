{#-
    on-run-start: refuse to run a project in which anything but the gate could publish.

    - only models materialized as `publication` live in the publication database (seeds and tests never)
    - a file is written only by a model that selects from one mart, and only to its place in the working folder
    - a cells model is one call of sdc.cells() and nothing else, hooks included: the gate recomputes everything from it
    - the registers of exceptions and manual cells are about protected models, and nothing in them is past its date
-#}
{%- macro check_project() -%}
    {%- if not execute -%}{{- return('') -}}{%- endif -%}
    {%- set problems = sdc._register_problems() -%}
    {%- for node in graph.nodes.values() -%}
        {%- set meta = node.config.meta or {} -%}
        {%- if node.resource_type in ['model', 'seed', 'snapshot'] -%}
            {%- if node.database == 'publication' and node.config.materialized != 'publication' -%}
                {%- do problems.append(node.name ~ ' is a ' ~ node.config.materialized
                    ~ ' in the publication database; only `materialized: publication` may be there') -%}
            {%- elif node.config.materialized == 'publication' and node.database != 'publication' -%}
                {%- do problems.append(node.name ~ ' is materialized as a publication but not in the publication database') -%}
            {%- elif node.config.materialized == 'external' -%}
                {%- set parents = node.depends_on.nodes -%}
                {%- if parents | length != 1 or graph.nodes.get(parents[0], {}).get('config', {}).get('materialized') != 'publication' -%}
                    {%- do problems.append(node.name ~ ' writes a file from '
                        ~ (parents | join(', ') or 'no model') ~ '; a release selects from exactly one mart') -%}
                {%- elif node.config.location != sdc.release_location(node.name) -%}
                    {%- do problems.append(node.name ~ ' writes to ' ~ node.config.location
                        ~ ", outside the working folder; give it config(location=sdc.release_location('" ~ node.name ~ "'))") -%}
                {%- endif -%}
            {%- endif -%}
            {%- if meta.get('sdc_role') == 'cells' -%}
                {%- set code = modules.re.sub('(?s)\\{#.*?#\\}|--[^\\n]*', '', node.raw_code) -%}
                {%- set code = modules.re.sub('(?s)^\\s*\\{\\{-?\\s*config\\([^{}]*\\)\\s*-?\\}\\}', '', code) | trim -%}
                {%- if modules.re.match('(?s)^\\{\\{-?\\s*(sdc\\.)?cells\\(.*\\)\\s*-?\\}\\}$', code) is none
                        or code.count('{' ~ '{') != 1 or code.count('{' ~ '%') -%}
                    {%- do problems.append(node.name ~ ' is not one call of sdc.cells() and nothing else; '
                        ~ 'put other SQL in the contributions model before it') -%}
                {%- endif -%}
                {%- if node.config.get('pre-hook') or node.config.get('post-hook') or node.config.get('sql_header') -%}
                    {%- do problems.append(node.name ~ ' has hooks or a sql_header, which could change the cells; remove them') -%}
                {%- endif -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if problems -%}
        {%- do exceptions.raise_compiler_error('sdc refuses this project; nothing was run:\n  - ' ~ problems | join('\n  - ')) -%}
    {%- endif -%}
    {%- do sdc._gate_tables('restricted') -%}
    {%- do adapter.commit() -%}
{%- endmacro -%}
