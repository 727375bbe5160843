{#-
    Cell key: every published count is recomputed from the cells model and the p-table. The p-table covers every count, and no
    published number can come from one true count only.
-#}
{%- macro _gate_cell_key(product, protected) -%}
    {%- set parameters = protected.config.meta.sdc_parameters -%}
    {%- set in_force = sdc._gate_rules(protected) -%}
    {%- do sdc._check_keys(protected, product, parameters['keys']) -%}
    {%- set ptable = sdc._ptable_of(protected) -%}
    {%- set again %}(
        with

        cells as (
        {{ sdc._numbered_cells(sdc._ruled_cells(product.relation, product, in_force), product) }}
        ),

        {{ sdc._ptable(ptable) }}

        {% for measure, key in parameters['keys'].items() -%}
        {{ measure }}_perturbed as (
        {{ sdc._perturbed(product, measure, key, parameters.cycle, parameters.least_published) }}
        ),

        {% endfor -%}
        again as (
            select
                cells.*
                {%- for measure in parameters['keys'] %},
                {{ measure }}_perturbed.value as {{ measure }}_again
                {%- endfor %}
            from cells
            {%- for measure in parameters['keys'] %}
            left join {{ measure }}_perturbed using ({{ (product.by + ['cell_id']) | join(', ') }})
            {%- endfor %}
        )

        select * from again
    ){% endset -%}
    {%- set problems %}
select problem
from (
    with

    cells as (
    {{ sdc._numbered_cells(product.relation, product) }}
    ),

    {{ sdc._ptable(ptable) }}

    {{ sdc._ptable_problems(product, parameters['keys'], parameters.cycle, protected.name) }}

    origins as (
        select
            pcv,
            count(*) over (partition by published) as counts
        from (
            select distinct pcv, pcv + pvalue as published
            from ptable
            union
            select 0, 0
        )
    )

    select problem
    from problems
    union all
    select 'the p-table of {{ protected.name }} leaks: a number published for a true count of ' || min(pcv)
        || ' can come from no other count. Take a p-table with more noise there' as problem
    from origins
    cross join ptable_size
    where
        counts = 1
        and pcv > 0
        and (
            pcv < {{ sdc._threshold_of(in_force) }}
            or pcv + 2 * (select max(abs(pvalue)) from ptable) <= largest
        )
    having count(*) > 0
)
    {%- endset -%}
    {%- set checks = {} -%}
    {%- for measure in parameters['keys'] -%}
        {%- do checks.update({measure: [
            {'sound': 'protected.' ~ measure ~ ' = cell.' ~ measure ~ '_again',
             'says': 'is not the count with the noise of the p-table'}
        ]}) -%}
    {%- endfor -%}
    {{- return(sdc._gate_cells(product, protected, again, checks) ~ '\n\nunion all\n\n' ~ problems) -}}
{%- endmacro -%}


{#- The p-table a model perturbs with: the one model or seed it refers to beside the cells model. -#}
{%- macro _ptable_of(protected) -%}
    {%- set found = [] -%}
    {%- for id in protected.depends_on.nodes
            if id in graph.nodes and graph.nodes[id].config.meta.get('sdc_role') != 'cells' -%}
        {%- do found.append(graph.nodes[id].relation_name) -%}
    {%- endfor -%}
    {%- if found | length != 1 -%}
        {%- do sdc._refuse([protected.name ~ ' must refer to its cells model and one p-table, and to nothing else']) -%}
    {%- endif -%}
    {{- return(found[0]) -}}
{%- endmacro -%}
