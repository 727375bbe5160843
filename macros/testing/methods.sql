{#- The generic tests on marts that an alternative to suppression protects: the form each method needs. -#}


{#-
    Findings (measure, problem, cell) for one measure of a mart, over the CTEs `published`, `counted` and `<measure>_primary` of
    no_disclosive_cells: the published number against what the contributions add up to, and against the rules.
-#}
{%- macro _method_findings(mart, measure, in_force) -%}
    {%- set parameters = mart.protected.config.meta.sdc_parameters -%}
    {%- set method = mart.protected.config.meta.sdc_method -%}
    {%- set key = (mart.product.by + mart.product.dimensions) | join(', ') -%}
    {%- set shown = 'published.' ~ measure ~ '_published' -%}
    {%- set truth = 'coalesce(counted.' ~ measure ~ ', 0)' -%}
    {%- if method == 'conventional_rounding' -%}
        {%- set base = sdc._bases(mart.protected, mart.product, parameters.base, 'round_conventional', ['graduated']).get(measure) -%}
        {%- set sound = shown ~ ' = ' ~ sdc._conventionally(truth, base) ~ ' and rules.rule is null' if base else 'false' -%}
        {%- set says = 'is unsafe, or not the rounded sum of its contributions' -%}
    {%- elif method == 'controlled_rounding' -%}
        {%- set base = sdc._bases(mart.protected, mart.product, parameters.base, 'round_controlled').get(measure) -%}
        {%- set sound = shown ~ ' % ' ~ base ~ ' = 0 and abs(' ~ shown ~ ' - ' ~ truth ~ ') < ' ~ base if base else 'false' -%}
        {%- set says = 'is not a multiple of the base adjacent to the sum of its contributions' -%}
    {%- elif method == 'cell_key' -%}
        {%- set sound = shown ~ ' >= 0 and abs(' ~ shown ~ ' - ' ~ truth ~ ') <= (select max(abs(pvalue)) from '
            ~ sdc._ptable_of(mart.protected) ~ ')' -%}
        {%- set says = 'is further from the sum of its contributions than the p-table goes' -%}
    {%- else -%}
        {%- set level = sdc._adjustment_level(mart.product.measures[measure], in_force, parameters.percent, truth, 'rules.rule', 'rules.upl') -%}
        {%- set sound = shown ~ ' >= 0 and (not ' ~ level.condition
            ~ ' or ' ~ shown ~ ' - ' ~ truth ~ ' >= ' ~ level.up ~ ' or ' ~ truth ~ ' - ' ~ shown ~ ' >= ' ~ level.down ~ ')' -%}
        {%- set says = 'is nearer to the sum of unsafe contributions than the level' -%}
    {%- endif -%}
select
    '{{ measure }}' as measure,
    '{{ says }}' as problem,
    {{ sdc._cell_name(mart.product.by + mart.product.dimensions, 'published.') }} as cell
from published
left join counted using ({{ key }})
left join {{ measure }}_primary as rules using ({{ key }})
where
    {{ shown }} is not null
    and not coalesce({{ sound }}, false)
{%- endmacro -%}


{#- Findings for one derived measure: it is made of the values that the method gave its parts. -#}
{%- macro _derived_findings(mart, name) -%}
    {%- set key = mart.product.by + mart.product.dimensions -%}
    {%- set sql = sdc._derived_sql(mart.product.derived[name], mart.product, mart.protected.relation_name) -%}
select
    '{{ name }}' as measure,
    'is not made of the published values of its parts' as problem,
    {{ sdc._cell_name(key, 'published.') }} as cell
from published
left join (
    select
        {{ key | join(', ') }},
        case when {{ sql.is_safe }} then {{ sql.value }} end as made
    from {{ mart.protected.relation_name }}
) using ({{ key | join(', ') }})
where published.{{ name }}_published is not null and published.{{ name }}_published is distinct from made
{%- endmacro -%}


{#-
    The attacker's audit of perturbed numbers, over the CTEs `cells` and `<measure>_primary` of not_recoverable, as a CTE body (by,
    cell_id, value: the verdict): every true value is unknown, but within reach of the published one, and the true values
    add up. Adjusted values tell no such interval: there is nothing to examine.
-#}
{%- macro _method_audit(mart, measure) -%}
    {%- set method = mart.protected.config.meta.sdc_method -%}
    {%- if method == 'adjustment' -%}
select
    {{ sdc._prefixed(mart.product.by, '') }}
    cell_id,
    'safe' as value
from cells
    {%- else -%}
    {%- set parameters = mart.protected.config.meta.sdc_parameters -%}
    {%- set reach = '(select max(abs(pvalue)) from ' ~ sdc._ptable_of(mart.protected) ~ ')' if method == 'cell_key'
        else sdc._bases(mart.protected, mart.product, parameters.base, 'round_controlled').get(measure, 0) -%}
    {%- set shown = 'cells.' ~ measure ~ '_published' -%}
    {%- set lower = 'coalesce(greatest(' ~ shown ~ ' - ' ~ reach ~ ', 0), 0)' -%}
    {%- set upper = shown ~ ' + ' ~ reach -%}
    {%- set cell = sdc._engine_cell(measure, mart.product, "case when rules.rule is null then 'secondary' else 'primary' end",
        lower=lower, upper=upper,
        upl='least(rules.upl, coalesce(' ~ upper ~ ', 1e300) - cells.' ~ measure ~ ')',
        lpl='least(rules.upl, cells.' ~ measure ~ ' - ' ~ lower ~ ')') %}
{{ sdc._treat('sdc_audit', 'verdict', mart.product, measure, cell, {}, measure ~ '_primary') }}
    {%- endif -%}
{%- endmacro -%}
