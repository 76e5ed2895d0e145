{#- Every row satisfies the expression; a row for which it is unknown does not. -#}
{% test row_holds(model, expression) %}

select * from {{ model }}
where ({{ expression }}) is not true

{% endtest %}
