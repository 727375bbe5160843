{#-
    round_controlled(cells, base, rule_set, rules)

    Controlled rounding in place of suppression: every value goes to an adjacent multiple of the base (a multiple stays), all tables
    of the product still add, and the total deviation is small. Nothing is suppressed; what a reader learns of a value
    is the interval of one base around it. Fails where the product has no such rounding.

    cells     ref() to a model that is one call of sdc.cells()
    base      a whole number for all measures, or one for each: {'shops': 5, 'turnover': 1000}; a measure that is not named is
              withheld. The base of a count is at least the threshold in force; of a magnitude, wide enough for the levels of
              the unsafe cells (the gate checks it)
    rule_set  a name in the variable sdc_rule_sets; rules: parameters of this model, only ever stricter
-#}
{%- macro round_controlled(cells, base, rule_set, rules={}) -%}
    {%- set in_force = sdc._rules_in_force(model, rule_set, rules) -%}
    {%- do sdc._declare_method('controlled_rounding', rule_set, rules, {'base': base}) -%}
    {%- if not execute -%}{{- return('') -}}{%- endif -%}
    {%- set product = sdc._product_of(model, 'round_controlled') -%}
    {%- set bases = sdc._controlled_bases(model, product, base, in_force) -%}
    {%- set treated = {} -%}
with

cells as (
{{ sdc._numbered_cells(cells, product) }}
),

{{ sdc._relations('cells', product) }}

{% for measure, value in bases.items() -%}
{%- do treated.update({measure: measure ~ '_rounded'}) -%}
{{ measure }}_rounded as (
{{ sdc._treat('sdc_round', 'rounded', product, measure, 'struct_pack(' ~ sdc._cell_value(measure, product) ~ ')', {'base': value}) }}
){{ ',' if not loop.last }}

{% endfor -%}
{{ sdc._treated_cells(product, 'controlled rounding', treated, in_force) }}
{%- endmacro -%}


{#- {measure: base}, checked against the threshold: smaller counts must not be told from each other. -#}
{%- macro _controlled_bases(node, product, base, in_force) -%}
    {%- set bases = sdc._bases(node, product, base, 'round_controlled') -%}
    {%- for measure, value in bases.items() if sdc._is_count(product.measures[measure]) and value < sdc._threshold_of(in_force) -%}
        {%- do exceptions.raise_compiler_error('sdc.round_controlled in ' ~ node.name ~ ': `base` ' ~ value ~ ' of ' ~ measure
            ~ ' leaks under the threshold in force: unsafe counts could be told from each other. Take a base that is at '
            ~ 'least the threshold') -%}
    {%- endfor -%}
    {{- return(bases) -}}
{%- endmacro -%}
