{#-
    The p% rule: a cell is unsafe when the m largest others, who know themselves, can tell the largest contribution to
    within p percent: what is left over for them to be unsure about is too small (`X - x1 - x2 < p/100 x1` for m = 1,
    strict: exactly p percent is safe). Required protection `p/100 x1 - (X - x1 - x2)`.

    m counts the attackers that act together, not the target: m = 1 leaves out the two largest. Sources that count the
    contributions left out write 2 for it.
    Source: Handbook on Statistical Disclosure Control (2nd ed.), p% rule with coalitions.
-#}
{%- macro rule_p_percent(measure, asked, product) -%}
    {%- if not sdc._is_magnitude(product.measures[measure]) -%}{{- return(none) -}}{%- endif -%}
    {%- set cell = sdc._concentration(measure, asked.m) -%}
    {%- set rest = '(' ~ cell.size ~ ' - ' ~ cell.target ~ ' - ' ~ cell.others ~ ')' -%}
    {{- return({
        'condition': measure ~ '_contributors > 0 and 100 * ' ~ rest ~ ' < ' ~ asked.p ~ ' * ' ~ cell.target,
        'upl': asked.p ~ ' * ' ~ cell.target ~ ' / 100 - ' ~ rest,
        'of_sums': asked
    }) -}}
{%- endmacro -%}


{%- macro p_percent_parameters() -%}
    {{- return({
        'p': sdc._percentage('larger', 'the largest contribution', required=true),
        'm': sdc._parameter('larger', 'a whole number of attackers, 1 to 3', lowest=1, highest=3, whole=true, default=1)
    }) -}}
{%- endmacro -%}
