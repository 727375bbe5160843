{#-
    A rule's parameter: which of two values is the stricter, and which values there are.

    stricter   larger or smaller: what to take where several conditions name the parameter; or `all` for a list of names,
               where everything that any of them names counts
    wanted     the values it may have, in words for messages
    lowest, highest, whole
               bounds (inclusive; none: unbounded), and whether only whole numbers will do
    default    its value where nobody names it; none: it must be named where `required`, else it does not apply
-#}
{%- macro _parameter(stricter, wanted, lowest=0, highest=none, whole=false, default=none, required=false) -%}
    {{- return({
        'stricter': stricter, 'wanted': wanted, 'lowest': lowest, 'highest': highest, 'whole': whole,
        'default': default, 'required': required
    }) -}}
{%- endmacro -%}


{#- A percentage above 0, up to 100. -#}
{%- macro _percentage(stricter, of, default=none, required=false) -%}
    {{- return(sdc._parameter(stricter, 'a percentage of ' ~ of ~ ', above 0 and up to 100', lowest=0.000001, highest=100,
        default=default, required=required)) -}}
{%- endmacro -%}


{#- Is it a value that the parameter may have? -#}
{%- macro _is_value(value, parameter) -%}
    {%- if parameter.stricter == 'all' -%}
        {{- return(value is sequence and value is not string and value is not mapping) -}}
    {%- endif -%}
    {{- return(value is number and value is not boolean and (not parameter.whole or value is integer)
        and value >= parameter.lowest and (parameter.highest is none or value <= parameter.highest)) -}}
{%- endmacro -%}


{#- The stricter of two values of a parameter. -#}
{%- macro _stricter(parameter, one, other) -%}
    {%- if parameter.stricter == 'all' -%}
        {%- set both = one | list -%}
        {%- for entry in other if entry not in both -%}{%- do both.append(entry) -%}{%- endfor -%}
        {{- return(both) -}}
    {%- endif -%}
    {{- return([one, other] | max if parameter.stricter == 'larger' else [one, other] | min) -}}
{%- endmacro -%}
