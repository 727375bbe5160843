{#-
    on-run-end: put the working copy in the publication's place, if the whole run has passed.

    A run publishes all it built or nothing: any error, failed test or skipped model leaves the publication as it was.
    Nothing happens for commands that build nothing, for --empty and --sample, or where the databases are in memory. The
    project is checked once more, in case on-run-start was ignored.
    The checks and the replacement are in python/sdc/publication.py.
-#}
{%- macro promote(results) -%}
    {%- if not execute or flags.WHICH not in ['run', 'build', 'retry'] or flags.EMPTY or flags.SAMPLE
            or not sdc._on_file() -%}
        {{- return('') -}}
    {%- endif -%}
    {%- do sdc.check_project() -%}
    {%- set failed = [] -%}
    {%- for result in results if result.status | string not in ['success', 'pass', 'warn', 'no-op'] -%}
        {%- do failed.append(result.node.name) -%}
    {%- endfor -%}
    {%- if failed or not results -%}
        {%- do log('sdc: the publication was left as it was'
            ~ (': ' ~ failed[:5] | join(', ') ~ ' did not pass' if failed else ''), info=true) -%}
        {{- return('') -}}
    {%- endif -%}
    {%- set marts = {} -%}
    {%- set releases = {} -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' -%}
        {%- if node.config.materialized == 'publication' -%}
            {%- set protected = sdc._upstream_with_role(node, 'protected') -%}
            {%- if protected | length == 1 -%}
                {%- do marts.update({node.alias: {
                    'relation': node.relation_name, 'product': sdc._product_of(protected[0], 'protect').node}}) -%}
            {%- endif -%}
        {%- elif node.config.materialized == 'external' -%}
            {%- do releases.update({node.name: {
                'mart': graph.nodes[node.depends_on.nodes[0]].alias, 'parquet': sdc.release_location(node.name)}}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set plan = {'marts': marts, 'releases': releases, 'log': 'restricted.governance.gate_log'} -%}
    {%- set done = run_query("select sdc_promote('" ~ tojson(plan, sort_keys=true) | replace("'", "''") ~ "')") -%}
    {%- set said = done.columns[0].values()[0] -%}
    {%- if said.startswith('refused: ') -%}
        {%- do exceptions.raise_compiler_error(said[9:]) -%}
    {%- endif -%}
    {%- do log('sdc: ' ~ said, info=true) -%}
{%- endmacro -%}


{#- Is the publication a file (and not the memory of a lint or compile target)? -#}
{%- macro _on_file() -%}
    {%- set files = run_query("select path from duckdb_databases() where database_name = 'publication' and path is not null") -%}
    {{- return(files.rows | length > 0) -}}
{%- endmacro -%}


{#-
    Where a release model writes: rel_digital_businesses -> .sdc/publication/digital-businesses.parquet, in the working
    folder. Not a variable: a file written elsewhere could be public before it was checked.
-#}
{%- macro release_location(name) -%}
    {{- '.sdc/publication/' ~ (name[4:] if name.startswith('rel_') else name)
        | replace('_', '-') ~ '.parquet' -}}
{%- endmacro -%}
