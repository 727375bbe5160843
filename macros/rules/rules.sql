{#-
    The primary rules: name -> what makes a cell of a measure unsafe. Each rule is one macro in a file of its own,
    called with the measure's name and the rule's parameters; it returns

        condition   SQL, true where the cell is unsafe (over the columns of the cells model)
        upl         SQL, the upper protection level the cell then needs (lower: the same), in units of the measure

    A new rule is one file and one line here.
-#}
{%- macro _rules() -%}
    {{- return({
        'threshold': sdc.rule_threshold
    }) -}}
{%- endmacro -%}


{#-
    The rules in force for a model: the strictest of the policy's floor, the rule set and the model's own `rules`.
    Returns {rule: parameters}. Raises a compiler error for an unknown rule set, rule or parameter, and for a model
    that asks for less than the rule set or the floor.
-#}
{%- macro _rules_in_force(rule_set, rules) -%}
    {%- set sets = var('sdc_rule_sets', {}) -%}
    {%- do sdc._require(rule_set in sets, 'protect', 'rule_set',
        'one of the rule sets in the variable sdc_rule_sets: ' ~ sets.keys() | join(', '), rule_set) -%}
    {%- do sdc._require(rules is mapping, 'protect', 'rules', 'a mapping of rules to parameters, such as {"threshold": 10}',
        rules) -%}
    {%- set known = sdc._rules() -%}
    {%- set in_force = {} -%}
    {%- for origin, asked in [('policy floor', sdc._policy_floor()),
                              ('rule set ' ~ rule_set, sets[rule_set]), ('rules', rules)] -%}
        {%- for rule, parameter in asked.items() -%}
            {%- do sdc._require(rule in known, 'protect', origin, 'made of the rules ' ~ known.keys() | join(', '), rule) -%}
            {%- do sdc._require(parameter is integer and parameter is not boolean and parameter >= 1, 'protect',
                origin ~ ': ' ~ rule, 'a whole number of contributors, 1 or more', parameter) -%}
            {%- if origin == 'rules' and parameter < in_force.get(rule, 0) -%}
                {%- do exceptions.raise_compiler_error(
                    'sdc.protect in ' ~ model.name ~ ': `rules` asks for ' ~ rule ~ ' ' ~ parameter
                    ~ ', which is weaker than the ' ~ in_force[rule] ~ ' of rule set ' ~ rule_set
                    ~ ' and the policy. A model may tighten a rule, never loosen it') -%}
            {%- endif -%}
            {%- do in_force.update({rule: [parameter, in_force.get(rule, 0)] | max}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- do sdc._require(in_force, 'protect', 'rule_set', 'a rule set with at least one rule', rule_set) -%}
    {{- return(in_force) -}}
{%- endmacro -%}


{#- The primary rules applied to one measure: SQL conditions in a fixed order, [{rule, condition, upl}]. -#}
{%- macro _primary(measure, in_force) -%}
    {%- set applied = [] -%}
    {%- for rule, macro in sdc._rules().items() if rule in in_force -%}
        {%- set result = macro(measure, in_force[rule]) -%}
        {%- do applied.append({'rule': rule, 'condition': result.condition, 'upl': result.upl}) -%}
    {%- endfor -%}
    {{- return(applied) -}}
{%- endmacro -%}
