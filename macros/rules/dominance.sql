{#-
    Dominance, the (n,k) rule: a cell is unsafe when its n largest contributors make up more than k percent of it
    (`x1 + ... + xn > k/100 X`, strict: exactly k percent is safe). With waivers: the target and its n - 1 largest others.
    Required protection `100/k (x1 + ... + xn) - X`. Strictest of several: the larger n and the smaller k.
    Source: Handbook on Statistical Disclosure Control (2nd ed.), (n,k) rule and its protection level.
-#}
{%- macro rule_dominance(measure, asked, product) -%}
    {%- if not sdc._is_magnitude(product.measures[measure]) -%}{{- return(none) -}}{%- endif -%}
    {%- set cell = sdc._concentration(measure, asked.n - 1) -%}
    {%- set dominant = '(' ~ cell.target ~ ' + ' ~ cell.others ~ ')' -%}
    {{- return({
        'condition': measure ~ '_contributors > 0 and 100 * ' ~ dominant ~ ' > ' ~ asked.k ~ ' * ' ~ cell.size,
        'upl': '100 * ' ~ dominant ~ ' / ' ~ asked.k ~ ' - ' ~ cell.size,
        'of_sums': asked
    }) -}}
{%- endmacro -%}


{%- macro dominance_parameters() -%}
    {{- return({
        'k': sdc._percentage('smaller', 'the cell', required=true),
        'n': sdc._parameter('larger', 'a whole number of contributors, 1 to 5', lowest=1, highest=5, whole=true, default=1)
    }) -}}
{%- endmacro -%}
