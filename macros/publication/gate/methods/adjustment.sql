{#-
    Controlled tabular adjustment: every unsafe value is at least its level away from the true one, nothing is negative, and all tables
    add.
-#}
{%- macro _gate_adjustment(product, protected) -%}
    {%- set parameters = protected.config.meta.sdc_parameters -%}
    {%- set in_force = sdc._gate_rules(protected) -%}
    {%- set measures = sdc._adjusted_measures(protected, product, parameters.measures) -%}
    {%- set checks = {} -%}
    {%- for measure in measures -%}
        {%- set level = sdc._adjustment_level(product.measures[measure], in_force, parameters.percent, 'cell.' ~ measure,
            'cell.' ~ measure ~ '_rule', 'cell.' ~ measure ~ '_level') -%}
        {%- set moved = '(protected.' ~ measure ~ ' - cell.' ~ measure ~ ')' -%}
        {%- do checks.update({measure: [
            {'sound': 'protected.' ~ measure ~ ' >= 0', 'says': 'is negative'},
            {'sound': 'not ' ~ level.condition ~ ' or ' ~ moved ~ ' >= ' ~ level.up ~ ' or -' ~ moved ~ ' >= ' ~ level.down,
             'says': 'of an unsafe cell is nearer to the true value than its level'}
        ]}) -%}
    {%- endfor -%}
    {{- return(sdc._gate_cells(product, protected, sdc._ruled_cells(product.relation, product, in_force), checks) ~ '\n\nunion all\n\n'
        ~ sdc._gate_additive(product, protected, measures)) -}}
{%- endmacro -%}
