{#-
    Controlled rounding: every published value is a multiple of the base, less than the base away from the true one and the true one where
    that is a multiple; the interval it stands for covers the level of an unsafe cell; and all tables add.
-#}
{%- macro _gate_controlled_rounding(product, protected) -%}
    {%- set in_force = sdc._gate_rules(protected) -%}
    {%- set bases = sdc._controlled_bases(protected, product, protected.config.meta.sdc_parameters.base, in_force) -%}
    {%- set checks = {} -%}
    {%- for measure, base in bases.items() -%}
        {%- set level = 'cell.' ~ measure ~ '_level' -%}
        {%- set published = 'protected.' ~ measure -%}
        {%- set true_value = 'cell.' ~ measure -%}
        {%- do checks.update({measure: [
            {'sound': published ~ ' % ' ~ base ~ ' = 0', 'says': 'is not a multiple of the base'},
            {'sound': 'abs(' ~ published ~ ' - ' ~ true_value ~ ') < ' ~ base
                ~ ' and (' ~ true_value ~ ' % ' ~ base ~ ' <> 0 or ' ~ published ~ ' = ' ~ true_value ~ ')',
             'says': 'is not an adjacent multiple of the true value'},
            {'sound': 'cell.' ~ measure ~ '_rule is null or (' ~ published ~ ' + ' ~ base ~ ' >= ' ~ true_value
                ~ ' + ' ~ level ~ ' and greatest(' ~ published ~ ' - ' ~ base ~ ', 0) <= greatest(' ~ true_value ~ ' - '
                ~ level ~ ', 0))',
             'says': 'of an unsafe cell stands for an interval narrower than its level; take a larger base'}
        ]}) -%}
    {%- endfor -%}
    {{- return(sdc._gate_cells(product, protected, sdc._ruled_cells(product.relation, product, in_force), checks) ~ '\n\nunion all\n\n'
        ~ sdc._gate_additive(product, protected, bases.keys() | list)) -}}
{%- endmacro -%}
