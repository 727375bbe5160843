{#-
    adjust(cells, rule_set, rules, measures, percent)

    Controlled tabular adjustment in place of suppression: each unsafe value is moved up or down by its level, other values as
    little as possible, all tables of the product still add, and nothing becomes negative. A published value is then
    not the true one, and none is suppressed.

    cells            ref() to a model that is one call of sdc.cells()
    rule_set, rules  as in protect()
    measures         those to adjust (default: all); others are withheld
    percent          where a rule asks for no level (the threshold): a magnitude is moved by this share of itself (default 10).
                     Counts are moved to zero or up to the threshold at least
-#}
{%- macro adjust(cells, rule_set, rules={}, measures=none, percent=10) -%}
    {%- do sdc._require(percent is number and percent > 0 and percent <= 100, 'adjust', 'percent', 'above 0 and at most 100', percent) -%}
    {%- do sdc._require(measures is none or (measures is sequence and measures is not string and measures), 'adjust', 'measures',
        'a list of measures', measures) -%}
    {%- set in_force = sdc._rules_in_force(model, rule_set, rules) -%}
    {%- do sdc._declare_method('adjustment', rule_set, rules, {'measures': measures, 'percent': percent}) -%}
    {%- if not execute -%}{{- return('') -}}{%- endif -%}
    {%- set product = sdc._product_of(model, 'adjust') -%}
    {%- set treated = {} -%}
with

cells as (
{{ sdc._numbered_cells(cells, product) }}
),

{{ sdc._relations('cells', product) }}

{% for measure in sdc._adjusted_measures(model, product, measures) -%}
{%- do treated.update({measure: measure ~ '_adjusted'}) -%}
{%- set level = sdc._adjustment_level(product.measures[measure], in_force, percent, 'cells.' ~ measure, 'rules.rule', 'rules.upl') -%}
{%- set count = sdc._is_count(product.measures[measure]) -%}
{{ measure }}_primary as (
    {{ sdc._primary_cells(measure, product, in_force) | indent }}
),

{{ measure }}_adjusted as (
    {%- set cell = sdc._engine_cell(measure, product,
        'case when ' ~ level.condition ~ " then 'primary' else 'safe' end",
        upl='case when ' ~ level.condition ~ ' then ' ~ level.up ~ ' else 0 end',
        lpl='case when ' ~ level.condition ~ ' then ' ~ level.down ~ ' else 0 end') %}
{{ sdc._treat('sdc_adjust', 'adjusted', product, measure, cell,
    {} if count else {'base': 10.0 ** -product.measures[measure].decimals}, measure ~ '_primary') }}
){{ ',' if not loop.last }}

{% endfor -%}
{{ sdc._treated_cells(product, 'adjustment', treated, in_force) }}
{%- endmacro -%}


{#- The measures a model adjusts, checked. -#}
{%- macro _adjusted_measures(node, product, measures) -%}
    {%- set own = product.measures -%}
    {%- for measure in measures or [] if measure not in own -%}
        {%- do exceptions.raise_compiler_error('sdc.adjust in ' ~ node.name ~ ': `measures` must be measures of the product: '
            ~ own | join(', ') ~ '; got: ' ~ measure) -%}
    {%- endfor -%}
    {{- return(measures or own | list) -}}
{%- endmacro -%}


{#-
    Which cells of a measure are moved and by how much at least, as SQL: {condition, up, down}.
    A small count goes to zero or up to the threshold (Dandekar & Cox 2002); a magnitude by its rule's level, or by the
    given share of itself where the rule has none. An unsafe cell whose value is 0 tells nothing and stays.

    value, rule, level   SQL for the true value, the rule that makes the cell unsafe and its level (_primary_cells)
-#}
{%- macro _adjustment_level(declared, in_force, percent, value, rule, level) -%}
    {%- set condition = '(' ~ rule ~ ' is not null and ' ~ value ~ ' > 0)' -%}
    {%- if sdc._is_count(declared) -%}
        {{- return({
            'condition': condition,
            'up': 'greatest(' ~ level ~ ', ' ~ sdc._threshold_of(in_force) ~ ' - ' ~ value ~ ', 1)',
            'down': value
        }) -}}
    {%- endif -%}
    {%- set moved = 'greatest(' ~ level ~ ', ' ~ percent ~ ' * ' ~ value ~ ' / 100.0, 1)' -%}
    {{- return({'condition': condition, 'up': moved, 'down': 'least(' ~ value ~ ', ' ~ moved ~ ')'}) -}}
{%- endmacro -%}
