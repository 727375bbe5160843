{#- Stop with one sentence that names macro, model, argument, what is wanted and what came instead. -#}
{%- macro _require(condition, macro, argument, wanted, got) -%}
    {%- if not condition -%}
        {%- do exceptions.raise_compiler_error(
            'sdc.' ~ macro ~ ' in ' ~ model.name ~ ': `' ~ argument ~ '` must be ' ~ wanted ~ '; got: ' ~ got) -%}
    {%- endif -%}
{%- endmacro -%}


{#- Is it a plain lower-case column name (so that it needs no quoting anywhere)? -#}
{%- macro _is_name(text) -%}
    {{- return(text is string and modules.re.match('^[a-z_][a-z0-9_]*$', text) is not none) -}}
{%- endmacro -%}
