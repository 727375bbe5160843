{#-
    protect(cells, rule_set, rules, cost, method, least_suppressed_count, previous, frozen, explain, unions,
            pinning)

    Every cell of a product with its status: primary rules first, then complementary suppression over all tables of the
    product as one system, then the attacker's interval for every suppressed cell. Fails when a primary cell cannot be
    protected.

    Grain: that of the cells. Adds `cell_id` and for each measure `<measure>_status` (safe, primary, secondary),
    `<measure>_reason` (the rule, or why a secondary was needed), `<measure>_lower`, `<measure>_upper` (bounds an
    attacker can reach at least, for suppressed cells), `<measure>_verdict` (of the audit), `<measure>_reliability`
    ('low' where the rule unweighted_base marks the cell [u]), and those of _explanation().

    cells      ref() to a model that is one call of sdc.cells()
    rule_set   a name in the variable sdc_rule_sets
    rules      parameters of this model, only ever stricter than the rule set, the policy and the agreements of the
               sources upstream: {'threshold': 10, 'p_percent': {'p': 15, 'm': 2}}
    cost       what a secondary suppression costs: value (default), count (contributors), unity, log, power (its square
               root), distance (relations between it and a primary), or column:<name>, a number of the cells model
    method     auto (default), heuristic, optimal
    least_suppressed_count
               what a reader takes every suppressed count to be at least: 1 (default), because empty cells are seen to be
               empty; or 0, where a suppressed cell could be empty for all a reader knows, or as a weaker guarantee that
               suppresses less
    previous   the release before: a relation with the product's `by` columns, dimensions and `<measure>_status`. What was
               suppressed there costs half, so that tables stay comparable; to compare periods, select the period before
               under the name of this one
    frozen     cells that may not be suppressed, because they are released already: a relation with the product's `by`
               columns and dimensions. Fails, naming cells, where such a cell is unsafe, or gives an unsafe one away
    explain    why each cell is suppressed, in further columns (default true; python/sdc/engine/explain.py)
    unions     whether sums of suppressed cells that a reader can compute must pass the threshold and the rules of
               concentration like any cell (default true). false is a weaker guarantee that suppresses less, for products
               with so many unsafe cells that too little would be left
    pinning    whether contributors, who know the cells that they alone make up, must not pin down others with bounds and
               whole numbers (default true). false is a weaker guarantee that is quicker: they must not compute any from
               the relations
-#}
{%- macro protect(
    cells, rule_set, rules={}, cost='value', method='auto', least_suppressed_count=1, previous=none, frozen=none, explain=true,
    unions=true, pinning=true
) -%}
    {%- do sdc._require_cost(cost) -%}
    {%- do sdc._require(method in ['auto', 'heuristic', 'optimal'], 'protect', 'method', 'auto, heuristic or optimal', method) -%}
    {%- do sdc._require(least_suppressed_count in [0, 1], 'protect', 'least_suppressed_count', '0 or 1', least_suppressed_count) -%}
    {%- for argument, relation in [('previous', previous), ('frozen', frozen)] -%}
        {%- do sdc._require(relation is none or relation is string or relation.identifier is defined, 'protect', argument,
            'a relation, such as ref("...")', relation) -%}
    {%- endfor -%}
    {%- for argument, given in [('explain', explain), ('unions', unions), ('pinning', pinning)] -%}
        {%- do sdc._require(given is boolean, 'protect', argument, 'true or false', given) -%}
    {%- endfor -%}
    {%- set in_force = sdc._rules_in_force(model, rule_set, rules) -%}
    {{- config(meta={
        'sdc_role': 'protected',
        'sdc_rule_set': rule_set,
        'sdc_rules': rules,
        'sdc_least_suppressed_count': least_suppressed_count,
        'sdc_unions': unions,
        'sdc_pinning': pinning,
        'sdc_frozen': frozen is not none
    }) -}}
    {%- if not execute -%}{{- return('') -}}{%- endif -%}
    {%- set product = sdc._product_of(model, 'protect') -%}
    {%- do sdc._require_cost(cost, product) -%}
    {%- set choices = previous is not none or frozen is not none -%}

with

cells as (
{{ sdc._numbered_cells(cells, product) }}
),

{{ sdc._relations('cells', product) }}

{% if explain -%}
{{ sdc._relation_names('cells', product) }}

{% endif -%}
{% if choices -%}
{{ sdc._choices(product, previous, frozen) }}

{% endif -%}
{% for measure in product.measures -%}
{{ measure }}_primary as (
    {{ sdc._primary_cells(measure, product, in_force, least_suppressed_count) | indent }}
),

{%- set own_cost = sdc._cost_of(measure, cost) -%}
{%- set rules_of_sums = sdc._rules_of_sums(measure, in_force, product, unions) -%}
{{ measure }}_suppressed as (
    {{ sdc._engine_call('sdc_suppress', product, measure,
        {'where': model.name, 'cost': own_cost.name, 'method': method, 'pinning': pinning}, rules_of_sums,
        "case when rules.rule is null then 'safe' else 'primary' end", cost=own_cost.column, choices=choices) | indent }}
),

{{ measure }}_audited as (
    {{ sdc._engine_call('sdc_explain' if explain else 'sdc_audit', product, measure,
        {'where': model.name, 'pinning': pinning}, rules_of_sums, 'suppressed.status', measure ~ '_suppressed') | indent }}
),

{% if explain -%}
{{ sdc._explanation(measure, product) }}

{% endif -%}
{% endfor -%}
protected as (
    select
        cells.*
        {%- for measure in product.measures %},
        {{ measure }}_suppressed.status as {{ measure }}_status,
        coalesce({{ measure }}_primary.rule, {{ measure }}_suppressed.reason) as {{ measure }}_reason,
        {{ measure }}_audited.lower as {{ measure }}_lower,
        {{ measure }}_audited.upper as {{ measure }}_upper,
        {{ measure }}_audited.verdict as {{ measure }}_verdict,
        {{ measure }}_primary.reliability as {{ measure }}_reliability
        {%- if explain %},
        {{ measure }}_explained.basis as {{ measure }}_basis,
        {{ measure }}_explained.protects as {{ measure }}_protects,
        {{ measure }}_explained.through as {{ measure }}_through,
        {{ measure }}_explained.margin as {{ measure }}_margin
        {%- endif %}
        {%- endfor %}
        {%- if frozen is not none %},
        choices.is_frozen
        {%- endif %}
    from cells
    {%- if frozen is not none %}
    inner join choices using ({{ (product.by + ['cell_id']) | join(', ') }})
    {%- endif %}
    {%- for measure in product.measures %}
    inner join {{ measure }}_primary using ({{ (product.by + ['cell_id']) | join(', ') }})
    left join {{ measure }}_suppressed using ({{ (product.by + ['cell_id']) | join(', ') }})
    left join {{ measure }}_audited using ({{ (product.by + ['cell_id']) | join(', ') }})
    {%- if explain %}
    left join {{ measure }}_explained using ({{ (product.by + ['cell_id']) | join(', ') }})
    {%- endif %}
    {%- endfor %}
)

select *
from protected
order by {{ (product.by + product.dimensions) | join(', ') }}
{%- endmacro -%}
