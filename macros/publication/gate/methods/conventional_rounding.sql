{#-
    Conventional rounding: what it rounds passes the gate of suppression, audit included, and each value is recomputed from it; what is
    suppressed there is suppressed here.
-#}
{%- macro _gate_conventional_rounding(product, protected) -%}
    {%- set suppressed = sdc._suppressed_upstream(protected) -%}
    {%- do sdc._gate_product(product, suppressed) -%}
    {%- set bases = sdc._conventional_bases(protected, product, protected.config.meta.sdc_parameters.base, suppressed) -%}
    {%- set checks = {} -%}
    {%- for measure, base in bases.items() -%}
        {%- do checks.update({measure: [
            {'sound': 'cell.' ~ measure ~ "_status = 'safe'", 'says': 'is shown for a suppressed cell'},
            {'sound': 'protected.' ~ measure ~ ' = ' ~ sdc._conventionally('cell.' ~ measure, base),
             'says': 'is not the rounded value of the cell'}
        ]}) -%}
    {%- endfor -%}
    {{- return(sdc._gate_cells(product, protected, suppressed.relation_name, checks)) -}}
{%- endmacro -%}
