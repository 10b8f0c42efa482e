! Array expressions, formatted output, allocation, a derived type, command line arguments and a stop code.
module shapes
  implicit none
  type :: shape
    real(8) :: width = 2d0
    real(8) :: height = 3d0
  contains
    procedure :: area
  end type shape
contains
  pure function area(self) result(value)
    class(shape), intent(in) :: self
    real(8) :: value
    value = self%width * self%height
  end function area
end module shapes

program main
  use shapes
  implicit none
  type(shape) :: one
  real(8), allocatable :: numbers(:)
  integer :: i
  character(len=16) :: argument
  allocate (numbers(100))
  numbers = [(sqrt(real(i, 8)), i = 1, 100)]
  write (*, '(a,f12.6)') 'sum ', sum(numbers)
  write (*, '(a,f6.2,a,l2)') 'area ', one%area(), ' any ', any(numbers > 9.9d0)
  call get_command_argument(1, argument)
  write (*, '(a,a,i4)') 'argument ', trim(argument), command_argument_count()
  write (*, '(3i4)') matmul(reshape([1, 2, 3, 4, 5, 6], [3, 2]), [1, 10])
  stop 4
end program main
