{#-
    Every condition on every mart as a query (mart, protected_model, rule, parameter, value, origin, counts): where it
    comes from, and whether it is the one that counts. For review, internal: it shows parameters. Defaults that nobody
    names are not listed.
-#}
{%- macro conditions_by_mart() -%}
    {%- set rows = [] -%}
    {%- for mart in (graph.nodes.values() if execute else []) if mart.config.materialized == 'publication' -%}
        {%- for protected in sdc._upstream_with_role(mart, 'protected') -%}
            {%- set source = sdc._rules_source(protected) -%}
            {%- set meta = source.config.meta -%}
            {%- set in_force = sdc._rules_of(protected) -%}
            {%- for asked in sdc._conditions(source, meta.sdc_rule_set, meta.get('sdc_rules', {})) -%}
                {%- set origin = 'rules of ' ~ protected.name if asked.is_own else asked.origin -%}
                {%- set counts = asked.value == in_force[asked.rule][asked.parameter] -%}
                {%- set shown = asked.value | map(attribute='id') | join(', ') if asked.rule == 'manual' else asked.value -%}
                {%- do rows.append("('" ~ [mart.name, protected.name, asked.rule, asked.parameter,
                    (shown | string) | replace("'", "''"), origin | replace("'", "''")] | join("', '") ~ "', " ~ counts ~ ')') -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endfor -%}
select
    mart,
    protected_model,
    rule,
    parameter,
    value,
    origin,
    counts
from (
    values
    {{ rows | join(',\n    ') or "('', '', '', '', '', '', false)" }}
) as conditions (mart, protected_model, rule, parameter, value, origin, counts)
where mart <> ''
{%- endmacro -%}
