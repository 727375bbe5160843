{#-
    The alternatives to suppression: method -> the gate's query of problems. Each method is one macro that makes a protected model
    (macros/perturbation/) and one file in macros/publication/gate/methods/ that proves it. A new method is these two
    and one line here.
-#}
{%- macro _methods() -%}
    {{- return({
        'conventional_rounding': sdc._gate_conventional_rounding,
        'controlled_rounding': sdc._gate_controlled_rounding,
        'cell_key': sdc._gate_cell_key,
        'adjustment': sdc._gate_adjustment
    }) -}}
{%- endmacro -%}


{#- Those whose tables add up. -#}
{%- macro _additive_methods() -%}
    {{- return(['controlled_rounding', 'adjustment']) -}}
{%- endmacro -%}


{#- Leave in the model's meta what the gate needs: the role of a protected model, its method, rules and parameters. -#}
{%- macro _declare_method(method, rule_set, rules, parameters) -%}
    {{- config(meta={
        'sdc_role': 'protected',
        'sdc_method': method,
        'sdc_rule_set': rule_set,
        'sdc_rules': rules,
        'sdc_least_suppressed_count': 1,
        'sdc_parameters': parameters
    }) -}}
{%- endmacro -%}


{#-
    The cells with the values a method gave them: `<measure>` is what may be published, `<measure>_status` says whether, and the true
    value stays in the cells model. Measures the method does not treat are withheld.

    treated   {measure: name of the CTE (by, cell_id, value) with its new value; NULL is withheld}
-#}
{%- macro _treated_cells(product, method, treated, in_force) -%}
    {%- set measures = product.measures -%}
select
    cells.* replace (
        {%- for measure in measures %}
        {%- set type = sdc._measure_type(product.measures[measure]) %}
        cast({{ 'new_' ~ measure ~ '.value' if measure in treated else 'null' }} as {{ type }}) as {{ measure }}{{ ',' if not loop.last }}
        {%- endfor %}
    )
    {%- for measure in measures %},
    {%- if measure in treated %}
    case when new_{{ measure }}.value is null then 'primary' else 'safe' end as {{ measure }}_status,
    case when new_{{ measure }}.value is null then '{{ method }}' end as {{ measure }}_reason
    {%- else %}
    'primary' as {{ measure }}_status,
    'not treated' as {{ measure }}_reason
    {%- endif %},
    {{ sdc._reliability(measure, product, in_force) | trim }} as {{ measure }}_reliability
    {%- endfor %}
from cells
{%- for measure, cte in treated.items() %}
left join {{ cte }} as new_{{ measure }} using ({{ (product.by + ['cell_id']) | join(', ') }})
{%- endfor %}
order by {{ (product.by + product.dimensions) | join(', ') }}
{%- endmacro -%}


{#- The model whose rules apply: what was suppressed before it was rounded, or the protected model itself. -#}
{%- macro _rules_source(protected) -%}
    {{- return(sdc._suppressed_upstream(protected)
        if protected.config.meta.get('sdc_method') == 'conventional_rounding' else protected) -}}
{%- endmacro -%}


{#- The threshold in force: no count below it is safe. -#}
{%- macro _threshold_of(in_force) -%}
    {{- return((in_force.get('threshold', {}).values() | select('number') | list + [1]) | max) -}}
{%- endmacro -%}


{#-
    One engine call for one measure, as (by, cell_id, value): the column `result` of what the function returns. `cell` is the struct of
    a cell (_engine_cell), over `cells` and, where a CTE of _primary_cells is given, `rules`.
-#}
{%- macro _treat(call, result, product, measure, cell, options, rules=none) -%}
select
    {{ sdc._prefixed(product.by, '') }}
    cell_id,
    {{ result }} as value
from (
    {{ sdc._each_system(call, product, measure, cell, dict(options, where=model.name), {'rules': rules} if rules else {}) | indent }}
)
{%- endmacro -%}
